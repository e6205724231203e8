// The commands behind the npm scripts: set up what is missing, then hand over to the pinned Node.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureDebianPackages } from "./debian.mjs";
import { installNpmPackages, pinnedNode } from "./npm-packages.mjs";
import { debianPackages } from "./packages.mjs";
import { runInFront } from "./run.mjs";
import { BootstrapError, complain, say } from "./say.mjs";
import { runTests } from "./test-run.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const quick = ["unit"];
const everyChange = ["unit", "simulation", "integration", "lab"];

const commands = {
  start,
  setup: async () => {
    await installNpmPackages(root);
    return (await havePackages(Object.keys(debianPackages))) ? 0 : 1;
  },
  test: (args) => test(everyChange, Object.keys(debianPackages), args),
  "test:unit": (args) => test(quick, [], args),
  "test:nightly": (args) => test([...everyChange, "nightly"], Object.keys(debianPackages), args),
};

/** Runs one command and ends the process with its exit code. */
export async function runCommandLine([name, ...args]) {
  const command = Object.hasOwn(commands, name ?? "") ? commands[name] : undefined;
  if (command === undefined) {
    complain(`usage: node test/bootstrap/main.mjs ${Object.keys(commands).join("|")} [arguments]`);
    process.exit(2);
  }
  try {
    process.exit(await command(args[0] === "--" ? args.slice(1) : args));
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    complain(error.message);
    process.exit(1);
  }
}

async function start(args) {
  await installNpmPackages(root);
  const story = join(root, "test/story/main.ts");
  if (!existsSync(story)) throw new BootstrapError(`${story} is missing from this checkout.`);
  // Only the control plane, or only a question: nothing from Debian is needed.
  const isBare = args.some((arg) => ["--empty", "--help", "-h"].includes(arg));
  const result = isBare ? { ready: true } : await ensureDebianPackages(["image", "lab"]);
  if (!result.ready) {
    say(result.because);
    const parts = result.leftOut.map((purpose) => debianPackages[purpose].why).join(", ");
    say(`Going on with hollow nodes. Left out: ${parts}.`);
  }
  const leftOut = result.ready ? "" : result.leftOut.join(",");
  const env = { ...process.env, DROVER_LEFT_OUT: leftOut };
  return runInFront(pinnedNode(root), [story, ...args], { cwd: root, env });
}

async function test(projects, purposes, args) {
  await installNpmPackages(root);
  if (purposes.length > 0 && !(await havePackages(purposes))) {
    say("0 passed, 1 failed");
    return 1;
  }
  return runTests({ root, node: pinnedNode(root), projects, args });
}

/** Tests that quietly left parts out would prove nothing, so here missing packages are a failure. */
async function havePackages(purposes) {
  const result = await ensureDebianPackages(purposes);
  if (!result.ready) complain(result.because);
  return result.ready;
}
