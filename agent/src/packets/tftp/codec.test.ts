// The TFTP codec against RFC layouts, and against random and mutated bytes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TftpMessage } from "../../core/boot/tftp-message.ts";
import { PacketError } from "../packet-error.ts";
import { decodeTftp, encodeTftp } from "./codec.ts";

const text = fc.string({
  unit: fc.constantFrom("a", "b", "/", "0", "."),
  minLength: 1,
  maxLength: 20,
});
const options = fc.array(fc.tuple(text, text), { maxLength: 4 });
const block = fc.nat(0xffff);

const message: fc.Arbitrary<TftpMessage> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("rrq" as const, "wrq" as const),
    fileName: text,
    mode: fc.constant("octet"),
    options,
  }),
  fc.record({
    kind: fc.constant("data" as const),
    block,
    bytes: fc.uint8Array({ maxLength: 600 }),
  }),
  fc.record({ kind: fc.constant("ack" as const), block }),
  fc.record({ kind: fc.constant("error" as const), errorCode: block, message: text }),
  fc.record({
    kind: fc.constant("oack" as const),
    options: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }),
  }),
);

function request(body: string): Uint8Array {
  return Uint8Array.from([0, 1, ...new TextEncoder().encode(body)]);
}

describe("TFTP codec", () => {
  test("a packet survives encoding and decoding", () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeTftp(encodeTftp(sent))).toEqual(sent);
      }),
    );
  });

  test("random bytes give a packet or the typed error, nothing else", () => {
    const anyOpcode = fc
      .tuple(fc.nat(8), fc.uint8Array({ maxLength: 600 }))
      .map(([opcode, rest]) => Uint8Array.from([0, opcode, ...rest]));
    fc.assert(
      fc.property(anyOpcode, (bytes) => {
        try {
          decodeTftp(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(PacketError);
        }
      }),
    );
  });

  test("mode and option names are accepted in any case", () => {
    expect(decodeTftp(request("x.efi\0OCTET\0BlkSize\x001468\0"))).toEqual({
      kind: "rrq",
      fileName: "x.efi",
      mode: "octet",
      options: [["blksize", "1468"]],
    });
  });

  test.each([
    ["without an end", "x.efi\0octet"],
    ["without a mode", "x.efi\0"],
    ["without a name", "\0octet\0"],
    ["with an option that has no value", "x\0octet\0tsize\0"],
    ["longer than 512 bytes", `${"x".repeat(510)}\0octet\0`],
    ["with more than 16 options", `x\0octet\0${"a\x001\0".repeat(17)}`],
  ])("a request %s is refused", (_what, body) => {
    expect(() => decodeTftp(request(body))).toThrow(PacketError);
  });

  test("an error text without its end is still read", () => {
    const bytes = Uint8Array.from([0, 5, 0, 8, 0x6e, 0x6f]);
    expect(decodeTftp(bytes)).toEqual({ kind: "error", errorCode: 8, message: "no" });
  });
});
