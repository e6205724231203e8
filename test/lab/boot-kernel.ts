// A kernel and a tiny initramfs for tests of the boot path alone: busybox prints one line and powers
// off. The kernel is Debian's own package, fetched once with apt.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parentDirectories, writeCpio } from "@drover/shared/disk/cpio";
import { labFolder } from "./lab-folder.ts";

/** Path of a Debian kernel: `DROVER_LAB_KERNEL`, the lab's cache, or fetched now. */
export function debianKernel(): string {
  const given = process.env["DROVER_LAB_KERNEL"];
  if (given !== undefined) return given;
  const cached = join(labFolder("kernel"), "vmlinuz");
  if (!existsSync(cached)) fetchKernel(cached);
  return cached;
}

function fetchKernel(path: string): void {
  const folder = mkdtempSync(join(labFolder("kernel"), "fetch-"));
  try {
    const depends = run(folder, "apt-cache", "depends", "linux-image-amd64");
    const name = /Depends: (linux-image-[0-9]\S*)/.exec(depends)?.[1];
    if (name === undefined) throw new Error("apt knows no kernel package; run apt-get update");
    run(folder, "apt-get", "-o", "APT::Sandbox::User=root", "download", name);
    const archive = readdirSync(folder).find((file) => file.endsWith(".deb"));
    run(folder, "dpkg-deb", "-x", archive ?? "", "unpacked");
    const kernel = readdirSync(join(folder, "unpacked/boot")).find((file) =>
      file.startsWith("vmlinuz"),
    );
    renameSync(join(folder, "unpacked/boot", kernel ?? ""), path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(cwd: string, program: string, ...args: string[]): string {
  const result = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${result.stderr}`);
  return result.stdout;
}

/** Writes an initramfs whose init prints `marker` and its kernel command line, then powers off. */
export function writeMarkerInitramfs(path: string, marker: string): void {
  const busybox = ["/usr/bin/busybox", "/bin/busybox"].find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("busybox-static is not installed");
  const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "${marker} $(/bin/busybox cat /proc/cmdline)"
/bin/busybox poweroff -f
`;
  const files = ["bin/busybox", "dev/console", "init", "proc/."];
  writeFileSync(
    path,
    writeCpio([
      ...parentDirectories(files),
      { kind: "file", path: "bin/busybox", mode: 0o755, bytes: readFileSync(busybox) },
      { kind: "character", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
      { kind: "file", path: "init", mode: 0o755, bytes: new TextEncoder().encode(init) },
    ]),
  );
}
