// Builds an image twice from empty caches under circumstances that must not matter: the second time the
// checkout lies in another folder, and user, file mode mask, time zone, working folder and date differ.
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";

const checkout = join(import.meta.dirname, "../..");
const run = promisify(execFile);

interface Built {
  readonly imageId: string;
  readonly agent: string;
  readonly manifest: unknown;
  /** Every file a site may fetch, by path; those below `content` are named by their digests. */
  readonly content: ReadonlyMap<string, string>;
  readonly ms: number;
}

/** Bundles the agent of the checkout at `home` and builds `recipe` with it; the folder takes all output. */
function buildScript(before: string): string {
  return `set -eu
recipe=$1 home=$2 folder=$3 node=$4
${before}
"$node" "$home/agent/build.mjs" >&2
cp "$home/agent/dist/agent.mjs" "$folder/agent.mjs"
exec "$node" $clock "$home/images/src/main.ts" image "$recipe" --out "$folder/out" \\
  --cache "$folder/cache" --agent "$folder/agent.mjs" --relock when-missing`;
}

const here = buildScript("clock= ; umask 022; export TZ=UTC");
const there = buildScript(`clock="--import $home/test/integration/late-clock.ts"
umask 077; export TZ=Pacific/Chatham LC_ALL=C; cd "$home/agent"`);

/** How to run as nobody with the checkout mounted at another place. */
interface Disguise {
  /** Starts a shell that may mount. */
  readonly outer: readonly [string, ...string[]];
  /** Turns that shell into one of nobody's. */
  readonly inner: string;
}

/** Namespaces need no privilege; where the kernel refuses them (in a chroot) root changes its user. */
function disguise(): Disguise {
  const refused = spawnSync("unshare", ["--user", "true"]).status !== 0;
  return refused
    ? {
        outer: ["unshare", "--mount"],
        // The capability only stands in for owning the folders, which belong to root.
        inner:
          "setpriv --reuid=65534 --regid=65534 --clear-groups --securebits=+no_setuid_fixup --inh-caps=-all,+dac_override --ambient-caps=-all,+dac_override --",
      }
    : {
        outer: ["unshare", "--user", "--map-root-user", "--mount"],
        inner: "unshare --user --map-user=65534 --map-group=65534 --",
      };
}

const elsewhere = (inner: string): string => `set -eu
mount --rbind "$5" "$2"
mount -t tmpfs none "$2/agent/dist"
exec ${inner} sh -c "$6" build "$1" "$2" "$3" "$4"`;

async function finish(folder: string, words: readonly [string, ...string[]]): Promise<Built> {
  const startedAt = performance.now();
  const [program, ...args] = words;
  const { stdout } = await run(program, args, { maxBuffer: 64 * 1024 * 1024 });
  const { imageId } = JSON.parse(stdout) as { imageId: string };
  const out = join(folder, "out");
  const manifest: unknown = JSON.parse(
    readFileSync(join(out, "content/manifest", imageId), "utf8"),
  );
  const agent = readFileSync(join(folder, "agent.mjs"), "utf8");
  const ms = performance.now() - startedAt;
  return { imageId, agent, manifest, content: contentOf(out), ms };
}

/** Sizes of objects, which their names hold to their bytes; of pointers the text itself. */
function contentOf(out: string): Map<string, string> {
  const files = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(out, join(entry.parentPath, entry.name)))
    .sort();
  const told = (path: string): string =>
    path.startsWith("pointer/")
      ? readFileSync(join(out, path), "utf8")
      : `${statSync(join(out, path)).size} bytes`;
  return new Map(files.map((path) => [path, told(path)]));
}

/** Where the checkout is, as the user who runs this. */
async function buildHere(recipe: string, folder: string): Promise<Built> {
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(checkout, "agent/dist"), { recursive: true });
  const words = [recipe, checkout, folder, process.execPath];
  return await finish(folder, ["sh", "-c", here, "build", ...words]);
}

/** With the checkout at another place, as another user, 400 days later. */
async function buildElsewhere(recipe: string, folder: string): Promise<Built> {
  const home = join(folder, "some/other/place");
  mkdirSync(home, { recursive: true });
  mkdirSync(join(checkout, "agent/dist"), { recursive: true });
  const words = [recipe, home, folder, process.execPath, checkout, there];
  const { outer, inner } = disguise();
  return await finish(folder, [...outer, "sh", "-c", elsewhere(inner), "build", ...words]);
}

/** Builds `recipe` twice and expects the same image, and the same objects to distribute it with. */
export async function expectSameTwice(recipe: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "drover-twice-"));
  try {
    const first = await buildHere(recipe, join(folder, "first"));
    const second = await buildElsewhere(recipe, join(folder, "second"));
    const seconds = [first, second].map(({ ms }) => `${(ms / 1000).toFixed(1)} s`);
    process.stdout.write(`${recipe} is ${first.imageId}, built in ${seconds.join(" and ")}\n`);
    // First the cause that is not the image's own: another bundle, or sources edited meanwhile.
    expect(second.agent === first.agent, "both builds had the same agent").toBe(true);
    expect(second.manifest).toEqual(first.manifest);
    expect(second.imageId).toBe(first.imageId);
    expect(second.content).toEqual(first.content);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
