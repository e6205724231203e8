// Kernel modules as plain objects: some suites ship them compressed, which would hide every small
// change inside an opaque blob. The signature is part of the object, so unpacking loses nothing.
import { spawn } from "node:child_process";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { PackageFormatError } from "../core/deb/ar.ts";
import { commandEnvironment } from "./run-command.ts";

function unxz(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const tool = spawn("xz", ["--decompress", "--stdout"], {
      env: commandEnvironment(),
      stdio: ["pipe", "pipe", "inherit"],
    });
    const parts: Buffer[] = [];
    tool.stdout.on("data", (part: Buffer) => parts.push(part));
    tool.on("error", reject);
    tool.stdin.on("error", reject);
    tool.on("close", (code) =>
      code === 0
        ? resolve(Buffer.concat(parts))
        : reject(new PackageFormatError(`kernel module ${path} does not unpack`)),
    );
    tool.stdin.end(bytes);
  });
}

/** The uncompressed object of a module file, by its ending. */
export async function decompressModule(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  if (path.endsWith(".xz")) return unxz(path, bytes);
  if (path.endsWith(".zst")) return zstdDecompressSync(bytes);
  if (path.endsWith(".gz")) return gunzipSync(bytes);
  return bytes;
}
