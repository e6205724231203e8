// Postgres refuses to run as root. As root we run it in a user namespace where we appear as nobody;
// files then stay owned by root outside. Where namespaces are forbidden (in a chroot, in some
// containers) it runs as the real nobody, which may still walk to its files below root's folders.
import { chownSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";

const nobody = 65534;

/** How to start a program without root's identity. */
export interface Unprivileged {
  readonly kind: "as-we-are" | "namespace" | "nobody";
  wrap(program: string, args: readonly string[]): { program: string; args: string[] };
  /** Hands a file or folder tree to the identity the program will have, when it has another owner. */
  own(folder: string): void;
}

/** Chooses by trying: the namespace is probed once with `true`. */
export async function chooseUnprivileged(): Promise<Unprivileged> {
  if (process.getuid?.() !== 0) {
    return {
      kind: "as-we-are",
      wrap: (program, args) => ({ program, args: [...args] }),
      own: () => undefined,
    };
  }
  const inNamespace = wrapIn("unshare", [
    "--user",
    `--map-user=${nobody}`,
    `--map-group=${nobody}`,
  ]);
  const probe = inNamespace("true", []);
  const probed = await runCommand(probe.program, probe.args, { timeoutMs: 10_000 });
  if (probed.exitCode === 0) {
    return { kind: "namespace", wrap: inNamespace, own: (path) => giveTo(path, 0) };
  }
  const asNobody = wrapIn("setpriv", [
    `--reuid=${nobody}`,
    `--regid=${nobody}`,
    "--clear-groups",
    // Without it access(2), by which initdb looks for its programs, disregards the capability.
    "--securebits=+no_setuid_fixup",
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
  ]);
  return { kind: "nobody", wrap: asNobody, own: (path) => giveTo(path, nobody) };
}

function wrapIn(wrapper: string, options: readonly string[]): Unprivileged["wrap"] {
  return (program, args) => ({ program: wrapper, args: [...options, program, ...args] });
}

function giveTo(folder: string, id: number): void {
  if (lstatSync(folder).uid === id) return;
  const isFolder = lstatSync(folder).isDirectory();
  const entries = isFolder ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  for (const entry of entries) {
    if (!entry.isSymbolicLink()) chownSync(join(entry.parentPath, entry.name), id, id);
  }
  // The top last: a run cut short is then repeated whole.
  chownSync(folder, id, id);
}
