// What is running right now: slot and reason from the kernel command line, the verity root from the
// kernel's own device-mapper table, so that a claim on the command line alone proves nothing.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { FleetError } from "@drover/shared/errors";
import { ImageId, Sha256 } from "@drover/shared/ids";
import { Slot } from "@drover/shared/node/slot";
import { z } from "zod";

const run = promisify(execFile);

export class RunningSystemError extends FleetError {
  readonly code = "running-system-unknown";
}

export const BootReason = z.enum(["cold", "try", "fall", "late", "resc"]);

/** What the boot loader told the kernel. */
export interface LoaderWords {
  readonly slot: Slot;
  readonly why: z.infer<typeof BootReason>;
  readonly diskGuid: string;
  readonly imageId: ImageId;
}

/** Reads `drover.*` words of a kernel command line. Throws when this is not a slot we started. */
export function parseLoaderWords(commandLine: string): LoaderWords {
  const words = new Map<string, string>();
  for (const word of commandLine.trim().split(/\s+/)) {
    const at = word.indexOf("=");
    // The loader's words come first; a later copy from elsewhere does not replace them.
    if (word.startsWith("drover.") && at > 0 && !words.has(word.slice(0, at))) {
      words.set(word.slice(0, at), word.slice(at + 1));
    }
  }
  const parsed = z
    .object({ slot: Slot, why: BootReason, diskGuid: z.guid(), imageId: ImageId })
    .safeParse({
      slot: words.get("drover.slot"),
      why: words.get("drover.why"),
      diskGuid: words.get("drover.disk"),
      imageId: words.get("drover.image"),
    });
  if (!parsed.success)
    throw new RunningSystemError("the kernel was not started from a slot of ours");
  return parsed.data;
}

export function readLoaderWords(): LoaderWords {
  return parseLoaderWords(readFileSync("/proc/cmdline", "utf8"));
}

/** Root hash in a dm-verity table line (Linux admin-guide/device-mapper/verity), or undefined. */
export function rootHashOfTable(table: string): Sha256 | undefined {
  const fields = table.trim().split(/\s+/);
  // start length "verity" version dev hash_dev block hash_block blocks hash_start algorithm digest salt
  if (fields[2] !== "verity") return undefined;
  const digest = Sha256.safeParse(fields[11]);
  return digest.success ? digest.data : undefined;
}

/** The verity root under which the running system reads its root file system, or null when it has none. */
export async function measureVerityRoot(): Promise<Sha256 | null> {
  try {
    const { stdout } = await run("dmsetup", ["table", "root"], { timeout: 10_000 });
    return rootHashOfTable(stdout) ?? null;
  } catch (cause) {
    throw new RunningSystemError("asking the kernel for its verity table failed", { cause });
  }
}

/** Changes with every boot. */
export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
