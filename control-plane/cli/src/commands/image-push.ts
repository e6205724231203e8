// `drover image push DIR`: gives the centre an image that was built elsewhere. The manifest's image is
// registered only after every byte it binds has arrived, so a push that breaks off leaves nothing to roll out
// and the next one sends only what is still missing.
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { Readable } from "node:stream";
import { type ImageView, releaseApi } from "@drover/shared/api/release-api";
import { parseContentPath } from "@drover/shared/chunk/content-layout";
import { ImageId, Sha256 } from "@drover/shared/ids";
import type { Command } from "commander";
import { type Context, ExitError, exitCodes } from "../context.ts";
import { bytes, show } from "../output.ts";

interface Built {
  /** Paths below the folder, with `/`, such as `content/pack/…`. */
  readonly objects: readonly { path: string; kind: string; sha256: Sha256; sizeBytes: number }[];
  readonly pointers: readonly string[];
  readonly images: readonly ImageId[];
}

/** How many objects one question to the centre may name. */
const objectsPerQuestion = 5000;

async function filesBelow(folder: string, name: string): Promise<string[]> {
  const root = join(folder, name);
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return [];
      throw cause;
    },
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

async function readBuilt(folder: string): Promise<Built> {
  const objects: Built["objects"][number][] = [];
  for (const path of await filesBelow(folder, "content")) {
    const name = parseContentPath(path);
    if (!name)
      throw new ExitError(exitCodes.failed, `${join(folder, path)} is no object of an image`);
    const { size } = await stat(join(folder, path));
    objects.push({ path, kind: name.kind, sha256: Sha256.parse(name.digest), sizeBytes: size });
  }
  const images = objects
    .filter(({ kind }) => kind === "manifest")
    .map(({ sha256 }) => ImageId.parse(sha256));
  if (images.length === 0)
    throw new ExitError(exitCodes.failed, `${folder} holds no image: it has no content/manifest`);
  return { objects, pointers: await filesBelow(folder, "pointer"), images };
}

async function missingOf(context: Context, built: Built): Promise<Built["objects"]> {
  const missing = new Set<string>();
  for (let at = 0; at < built.objects.length; at += objectsPerQuestion) {
    const objects = built.objects
      .slice(at, at + objectsPerQuestion)
      .map(({ kind, sha256 }) => ({ kind, sha256 }));
    const answer = await context.ask(releaseApi.contentExists, { body: { objects } });
    for (const { kind, sha256 } of answer.missing) missing.add(`content/${kind}/${sha256}`);
  }
  return built.objects.filter(({ path }) => missing.has(path));
}

/** Tells every tenth of the way once. */
function progressOf(context: Context, totalBytes: number): (count: number) => void {
  let doneBytes = 0;
  let told = 0;
  return (count) => {
    doneBytes += count;
    const tenths = totalBytes === 0 ? 10 : Math.floor((10 * doneBytes) / totalBytes);
    if (tenths <= told) return;
    told = tenths;
    context.output.notice(`${bytes(doneBytes)} of ${bytes(totalBytes)} sent`);
  };
}

async function push(context: Context, folder: string): Promise<void> {
  const built = await readBuilt(folder);
  const missing = await missingOf(context, built);
  const sentBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  context.output.notice(
    `the centre lacks ${missing.length} of ${built.objects.length} objects, ${bytes(sentBytes)}`,
  );
  const onBytes = progressOf(context, sentBytes);
  for (const { path, sizeBytes } of missing) {
    const body = createReadStream(join(folder, path));
    await context.put({ path: `/${path}`, sizeBytes, body, onBytes });
  }
  for (const path of built.pointers) {
    const text = await readFile(join(folder, path));
    const body = Readable.from([text]);
    await context.put({ path: `/${path}`, sizeBytes: text.length, body, onBytes: () => undefined });
  }
  const images: ImageView[] = [];
  for (const id of built.images)
    images.push(
      await context.ask(releaseApi.registerImage, { body: { manifest: Sha256.parse(id) } }),
    );
  const result = { images, sentObjects: missing.length, sentBytes };
  show(context.output, result, () =>
    images.map((image) => `${image.id}  ${image.name}, ${bytes(image.sizeBytes)}`),
  );
}

export function addPush(program: Command, context: () => Context): void {
  const image = program.commands.find((command) => command.name() === "image");
  image
    ?.command("push")
    .description("give the centre an image built elsewhere; sends only what it lacks")
    .argument("<dir>", "folder that the image builder wrote, with content and pointer")
    .action((folder: string) => push(context(), folder));
}
