// slot.cfg is read back exactly or refused; nothing in it can reach GRUB as code.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { latin1Bytes, latin1Text } from "./bytes.ts";
import { DiskFormatError, DiskInputError } from "./disk-errors.ts";
import { encodeSlotConfig, parseSlotConfig, type SlotConfig } from "./slot-config.ts";

const config: SlotConfig = {
  imageId: "ab".repeat(32),
  verityRootHash: "cd".repeat(32),
  saltHex: "ef".repeat(32),
  dataBlocks: 1000,
  hashStartBlock: 65_000,
  kernelArguments: ["quiet", "panic=10", "systemd.show_status=0"],
};

describe("slot.cfg", () => {
  test("is read back exactly", () => {
    expect(parseSlotConfig(encodeSlotConfig(config))).toEqual(config);
    const bare = { ...config, kernelArguments: [] };
    expect(parseSlotConfig(encodeSlotConfig(bare))).toEqual(bare);
  });

  test("refuses kernel arguments that GRUB would interpret or that belong to us", () => {
    for (const argument of [
      "$x",
      "a'b",
      'a"b',
      "a;reboot",
      "a b",
      "*",
      "drover.slot=b",
      "",
      "a\nb",
    ]) {
      expect(() => encodeSlotConfig({ ...config, kernelArguments: [argument] }), argument).toThrow(
        DiskInputError,
      );
    }
  });

  test("refuses malformed digests and a tree inside the data", () => {
    expect(() => encodeSlotConfig({ ...config, imageId: "AB".repeat(32) })).toThrow(DiskInputError);
    expect(() => encodeSlotConfig({ ...config, hashStartBlock: 999 })).toThrow(DiskInputError);
  });

  test("cut anywhere it is refused", () => {
    const bytes = encodeSlotConfig(config);
    for (let cut = 0; cut < bytes.length; cut += 1) {
      expect(() => parseSlotConfig(bytes.subarray(0, cut))).toThrow(DiskFormatError);
    }
  });

  test("damaged it is refused or gives a config that passes every check", () => {
    const bytes = encodeSlotConfig(config);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = bytes.slice();
        damaged[at] = value;
        try {
          encodeSlotConfig(parseSlotConfig(damaged));
        } catch (error) {
          expect(error).toBeInstanceOf(DiskFormatError);
        }
      }),
    );
  });

  test("refuses commands and unknown settings", () => {
    const text = latin1Text(encodeSlotConfig(config));
    for (const line of ["reboot", "set slot_x='1'", "set slot_end='1'; reboot"]) {
      expect(() => parseSlotConfig(latin1Bytes(`${text}${line}\n`)), line).toThrow(DiskFormatError);
    }
  });
});
