// Postgres refuses to run as root. As root we run it in a user namespace where we appear as nobody;
// files then stay owned by root outside. Where namespaces are forbidden it runs as the real nobody.
import { chmodSync, chownSync, lstatSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { runCommand } from "./run-command.ts";

const nobody = 65534;

/** How to start a program without root's identity. */
export interface Unprivileged {
  readonly kind: "as-we-are" | "namespace" | "nobody";
  wrap(program: string, args: readonly string[]): { program: string; args: string[] };
  readonly ids: { readonly uid?: number; readonly gid?: number };
  /** Hands a file or folder tree to the identity the program will have, when it has another owner. */
  own(folder: string): void;
}

/** Chooses by trying: the namespace is probed once with `true`. */
export async function chooseUnprivileged(): Promise<Unprivileged> {
  if (process.getuid?.() !== 0) {
    return { kind: "as-we-are", wrap: plain, ids: {}, own: () => undefined };
  }
  const inNamespace = (program: string, args: readonly string[]) => ({
    program: "unshare",
    args: ["--user", `--map-user=${nobody}`, `--map-group=${nobody}`, program, ...args],
  });
  const probe = inNamespace("true", []);
  const probed = await runCommand(probe.program, probe.args, { timeoutMs: 10_000 });
  if (probed.exitCode === 0) {
    return { kind: "namespace", wrap: inNamespace, ids: {}, own: (folder) => giveTo(folder, 0) };
  }
  return {
    kind: "nobody",
    wrap: plain,
    ids: { uid: nobody, gid: nobody },
    own(folder) {
      giveTo(folder, nobody);
      // Nobody must be able to walk through the part and the data folder above it, not list them.
      for (const above of [dirname(folder), dirname(dirname(folder))]) chmodSync(above, 0o711);
    },
  };
}

function plain(program: string, args: readonly string[]): { program: string; args: string[] } {
  return { program, args: [...args] };
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
