// Unpacks a Debian package once into the cache: all file bytes in one file, all headers in a list.
// Owners and modes stay in that list, so no root is needed and the builder's disk plays no part.
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { z } from "zod";
import { type ArMember, PackageFormatError, readArMembers } from "../core/deb/ar.ts";
import { withTemporaryFolder, writeWhole } from "./cache-folder.ts";
import { commandEnvironment } from "./run-command.ts";

const PackedEntry = z.object({
  path: z.string(),
  type: z.enum(["file", "directory", "symlink", "link"]),
  mode: z.number().int(),
  uid: z.number().int(),
  gid: z.number().int(),
  offsetBytes: z.number().int(),
  sizeBytes: z.number().int(),
  target: z.string(),
});
export type PackedEntry = z.infer<typeof PackedEntry>;

const Index = z.object({
  v: z.literal(1),
  control: z.string(),
  /** Names of the maintainer scripts that run when the package is installed. */
  scripts: z.array(z.string()),
  entries: z.array(PackedEntry),
});

export interface UnpackedPackage extends z.infer<typeof Index> {
  /** File that holds the bytes of all regular files. */
  readonly dataFile: string;
}

const INSTALL_SCRIPTS = ["preinst", "postinst"];

/** A stream of the member's bytes before compression; rejects `finished` when the tool fails. */
function decompressed(file: string, member: ArMember): { tar: Readable; finished: Promise<void> } {
  const source = createReadStream(file, {
    start: member.offsetBytes,
    end: member.offsetBytes + member.sizeBytes - 1,
  });
  if (member.name.endsWith(".tar")) return { tar: source, finished: Promise.resolve() };
  if (member.name.endsWith(".gz") || member.name.endsWith(".zst")) {
    const decoder = member.name.endsWith(".gz") ? createGunzip() : createZstdDecompress();
    return { tar: decoder, finished: pipeline(source, decoder, { end: true }) };
  }
  if (!member.name.endsWith(".xz")) {
    throw new PackageFormatError(`package member ${member.name} has an unknown compression`);
  }
  const tool = spawn("xz", ["--decompress", "--stdout"], {
    env: commandEnvironment(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve, reject) => {
    tool.on("error", reject);
    tool.on("close", (code) =>
      code === 0 ? resolve() : reject(new PackageFormatError(`xz failed on ${member.name}`)),
    );
  });
  const finished = Promise.all([pipeline(source, tool.stdin), exited]).then(() => undefined);
  return { tar: tool.stdout, finished };
}

async function forEachTarEntry(
  file: string,
  member: ArMember,
  visit: (header: Header, body: AsyncIterable<unknown>) => Promise<void>,
): Promise<void> {
  const { tar, finished } = decompressed(file, member);
  const parser = extract();
  const parsed = (async () => {
    for await (const entry of parser) await visit(entry.header, entry);
  })();
  await Promise.all([pipeline(tar, parser), finished, parsed]);
}

function toEntry(header: Header, offsetBytes: number): PackedEntry {
  const type = header.type === "contiguous-file" ? "file" : header.type;
  const parsed = PackedEntry.safeParse({
    path: header.name,
    type,
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    offsetBytes,
    sizeBytes: type === "file" ? header.size : 0,
    target: header.linkname ?? "",
  });
  if (parsed.success) return parsed.data;
  throw new PackageFormatError(`${header.name}: entries of type ${header.type} are not supported`);
}

function asBuffer(part: unknown): Buffer {
  if (Buffer.isBuffer(part)) return part;
  throw new PackageFormatError("the archive reader gave something else than bytes");
}

function findMember(members: readonly ArMember[], prefix: string): ArMember {
  const found = members.find((member) => member.name.startsWith(prefix));
  if (found === undefined) throw new PackageFormatError(`package has no member ${prefix}`);
  return found;
}

async function readControl(
  file: string,
  member: ArMember,
): Promise<{ control: string; scripts: string[] }> {
  let control = "";
  const scripts: string[] = [];
  await forEachTarEntry(file, member, async (header, body) => {
    const name = basename(header.name);
    const parts: Buffer[] = [];
    for await (const bytes of body) parts.push(asBuffer(bytes));
    if (name === "control") control = Buffer.concat(parts).toString("utf8");
    if (INSTALL_SCRIPTS.includes(name)) scripts.push(name);
  });
  return { control, scripts: scripts.sort() };
}

async function unpackInto(file: string, folder: string): Promise<void> {
  const members = readArMembers(await readFile(file));
  const { control, scripts } = await readControl(file, findMember(members, "control.tar"));
  const entries: PackedEntry[] = [];
  const data = await open(join(folder, "data"), "w");
  try {
    let offsetBytes = 0;
    await forEachTarEntry(file, findMember(members, "data.tar"), async (header, body) => {
      entries.push(toEntry(header, offsetBytes));
      for await (const part of body) {
        const bytes = asBuffer(part);
        await data.writeFile(bytes);
        offsetBytes += bytes.length;
      }
    });
  } finally {
    await data.close();
  }
  await writeWhole(join(folder, "index.json"), JSON.stringify({ v: 1, control, scripts, entries }));
}

/** The unpacked form of a stored package, made on first use. */
export async function unpackPackage(file: string, cacheFolder: string): Promise<UnpackedPackage> {
  const home = join(cacheFolder, "unpacked", basename(file, ".deb"));
  const complete = await stat(join(home, "index.json")).then(
    () => true,
    () => false,
  );
  if (!complete) {
    await withTemporaryFolder(cacheFolder, async (folder) => {
      const fresh = join(folder, "unpacked");
      await mkdir(fresh);
      await unpackInto(file, fresh);
      await mkdir(dirname(home), { recursive: true });
      await rename(fresh, home);
    });
  }
  const index = Index.parse(JSON.parse(await readFile(join(home, "index.json"), "utf8")));
  return { ...index, dataFile: join(home, "data") };
}
