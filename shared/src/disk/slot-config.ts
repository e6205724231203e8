// slot.cfg, beside kernel and initrd in a boot partition: tells the loader how to start this slot and
// the agent which image lies in it. Its last line says it is whole; without that line it is not used.

import { encodeSettings, isPlainValue, parseSettings } from "./boot-settings.ts";
import { DiskFormatError, DiskInputError } from "./disk-errors.ts";

/** File names in the root of a boot partition. */
export const slotFiles = { kernel: "vmlinuz", initrd: "initrd", config: "slot.cfg" } as const;

export interface SlotConfig {
  /** SHA-256 of the manifest, 64 hex digits. */
  readonly imageId: string;
  readonly verityRootHash: string;
  readonly saltHex: string;
  /** Blocks of 4096 bytes. */
  readonly dataBlocks: number;
  /** Where the tree starts in the root partition, in blocks of 4096 bytes. */
  readonly hashStartBlock: number;
  /** From the manifest; none may start with `drover.`. */
  readonly kernelArguments: readonly string[];
}

/** The file. Throws {@link DiskInputError} on values that do not fit. */
export function encodeSlotConfig(config: SlotConfig): Uint8Array {
  const fault = faultOf(config);
  if (fault !== undefined) throw new DiskInputError(fault);
  return encodeSettings(
    "Written with the image in this slot; do not edit.",
    new Map([
      ["slot_v", "1"],
      ["slot_image", config.imageId],
      ["slot_verity_root", config.verityRootHash],
      ["slot_verity_salt", config.saltHex],
      ["slot_data_blocks", String(config.dataBlocks)],
      ["slot_hash_start", String(config.hashStartBlock)],
      ["slot_arguments", config.kernelArguments.join(" ")],
      ["slot_end", "1"],
    ]),
  );
}

/** Strict inverse of {@link encodeSlotConfig}. Throws {@link DiskFormatError}. */
export function parseSlotConfig(bytes: Uint8Array): SlotConfig {
  const rows = parseSettings(bytes);
  const take = (name: string, pattern: RegExp): string => {
    const value = rows.get(name);
    rows.delete(name);
    if (value === undefined || !pattern.test(value)) {
      throw new DiskFormatError(`slot.cfg: ${name} is ${JSON.stringify(value ?? null)}`);
    }
    return value;
  };
  take("slot_v", /^1$/);
  const config: SlotConfig = {
    imageId: take("slot_image", /^/),
    verityRootHash: take("slot_verity_root", /^/),
    saltHex: take("slot_verity_salt", /^/),
    dataBlocks: Number(take("slot_data_blocks", /^[1-9][0-9]{0,14}$/)),
    hashStartBlock: Number(take("slot_hash_start", /^[1-9][0-9]{0,14}$/)),
    kernelArguments: take("slot_arguments", /^/)
      .split(" ")
      .filter((argument) => argument !== ""),
  };
  take("slot_end", /^1$/);
  const [unknown] = rows.keys();
  if (unknown !== undefined) throw new DiskFormatError(`slot.cfg: unknown setting ${unknown}`);
  const fault = faultOf(config);
  if (fault !== undefined) throw new DiskFormatError(`slot.cfg: ${fault}`);
  return config;
}

const digest = /^[0-9a-f]{64}$/;

function faultOf(config: SlotConfig): string | undefined {
  const { imageId, verityRootHash, saltHex, dataBlocks, hashStartBlock, kernelArguments } = config;
  if (![imageId, verityRootHash].every((hex) => digest.test(hex))) return "a digest is malformed";
  if (!/^([0-9a-f]{2}){0,256}$/.test(saltHex)) return "the salt is malformed";
  if (![dataBlocks, hashStartBlock].every((n) => Number.isSafeInteger(n) && n > 0)) {
    return "a block number is malformed";
  }
  if (hashStartBlock < dataBlocks) return "the tree would lie inside the data";
  const wrong = kernelArguments.find(
    (a) => a === "" || a.includes(" ") || !isPlainValue(a) || a.startsWith("drover."),
  );
  return wrong === undefined
    ? undefined
    : `kernel argument ${JSON.stringify(wrong)} is not allowed`;
}
