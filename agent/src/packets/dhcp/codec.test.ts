// The DHCP codec against RFC layouts, and against random and mutated bytes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DhcpMessage, option } from "../../core/boot/dhcp-message.ts";
import { PacketError } from "../packet-error.ts";
import { decodeDhcp, encodeDhcp, payloadBytesMax } from "./codec.ts";

const ip = fc.ipV4();
const field = (bytesMax: number) =>
  fc.string({ unit: fc.constantFrom("a", "/", ".", "é", "0"), maxLength: bytesMax });

const options = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 254 }), fc.uint8Array({ maxLength: 300 })), {
    selector: ([code]) => code,
    maxLength: 4,
  })
  .map(
    (pairs) =>
      new Map(pairs.filter(([code]) => code !== option.overload && code !== option.messageType)),
  );

const message: fc.Arbitrary<DhcpMessage> = fc.record({
  op: fc.constantFrom("request" as const, "reply" as const),
  htype: fc.nat(255),
  hops: fc.nat(255),
  xid: fc.nat(0xffff_ffff),
  secs: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  clientIp: ip,
  yourIp: ip,
  nextServerIp: ip,
  relayIp: ip,
  hardware: fc.uint8Array({ maxLength: 16 }),
  serverName: field(63),
  bootFile: field(127),
  options,
});

const plain: DhcpMessage = {
  op: "reply",
  htype: 1,
  hops: 0,
  xid: 7,
  secs: 0,
  flags: 0x8000,
  clientIp: "0.0.0.0",
  yourIp: "10.77.0.5",
  nextServerIp: "10.77.0.1",
  relayIp: "0.0.0.0",
  hardware: Uint8Array.of(0x52, 0x54, 0, 0x77, 0, 1),
  serverName: "10.77.0.1",
  bootFile: "snponly.efi",
  options: new Map([[option.messageType, Uint8Array.of(2)]]),
};

function withOptions(area: readonly number[]): Uint8Array {
  const head = encodeDhcp(plain).slice(0, 240);
  return Uint8Array.from([...head, ...area]);
}

describe("DHCP codec", () => {
  test("a message survives encoding and decoding", () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeDhcp(encodeDhcp(sent, 1472))).toEqual(sent);
      }),
    );
  });

  test("random bytes give a message or the typed error, nothing else", () => {
    const random = fc.uint8Array({ maxLength: 700, size: "max" });
    fc.assert(fc.property(random, (bytes) => expectOnlyPacketError(() => decodeDhcp(bytes))));
  });

  test("a message with flipped bytes gives a message or the typed error, nothing else", () => {
    const flips = fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(message, flips, (sent, changes) => {
        const bytes = encodeDhcp(sent, 1472);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        expectOnlyPacketError(() => decodeDhcp(bytes));
      }),
    );
  });

  test("a message cut anywhere gives a message or the typed error, nothing else", () => {
    fc.assert(
      fc.property(message, fc.nat(1472), (sent, length) =>
        expectOnlyPacketError(() => decodeDhcp(encodeDhcp(sent, 1472).subarray(0, length))),
      ),
    );
  });

  test("an option whose length points past the end is refused", () => {
    expect(() => decodeDhcp(withOptions([53, 1, 1, 61, 200, 1, 2]))).toThrow(PacketError);
    expect(() => decodeDhcp(withOptions([53]))).toThrow(PacketError);
  });

  test("a long option is split on the wire and joined again (RFC 3396)", () => {
    const long = new Uint8Array(300).fill(7);
    const bytes = encodeDhcp({ ...plain, options: new Map([[43, long]]) }, 1472);
    expect([...bytes.subarray(240, 242)]).toEqual([43, 255]);
    expect([...bytes.subarray(240 + 257, 240 + 259)]).toEqual([43, 45]);
    expect(decodeDhcp(bytes).options.get(43)).toEqual(long);
  });

  test("options in the file and sname fields are read when option 52 says so", () => {
    const bytes = withOptions([52, 1, 3, 255]);
    bytes.fill(0, 44, 236);
    bytes.set([12, 2, 0x61, 0x62, 255], 108);
    bytes.set([60, 1, 0x7a, 255], 44);
    const read = decodeDhcp(bytes);
    expect(read.options.get(option.hostName)).toEqual(Uint8Array.of(0x61, 0x62));
    expect(read.options.get(option.vendorClass)).toEqual(Uint8Array.of(0x7a));
    expect([read.bootFile, read.serverName]).toEqual(["", ""]);
  });

  test("option 67 comes last before END and relay information after it", () => {
    const sent = new Map([
      [option.relayInfo, Uint8Array.of(1, 1, 9)],
      [option.bootFileName, Uint8Array.of(0x78)],
      [option.clientUuid, new Uint8Array(17)],
      [option.messageType, Uint8Array.of(5)],
    ]);
    const bytes = encodeDhcp({ ...plain, options: sent });
    const tail = [option.bootFileName, 1, 0x78, option.relayInfo, 3, 1, 1, 9, 255];
    const start = 240 + 3 + 19;
    expect([...bytes.subarray(240, 243)]).toEqual([53, 1, 5]);
    expect([...bytes.subarray(start, start + tail.length)]).toEqual(tail);
    expect(bytes.subarray(start + tail.length).every((byte) => byte === 0)).toBe(true);
  });

  test("a message is padded to 300 bytes and overload is never sent", () => {
    expect(encodeDhcp(plain).length).toBe(300);
    const overloaded = new Map([[option.overload, Uint8Array.of(1)]]);
    expect(() => encodeDhcp({ ...plain, options: overloaded })).toThrow(PacketError);
  });

  test("a message larger than the client takes is refused, and option 57 raises that limit", () => {
    const large = { ...plain, options: new Map([[43, new Uint8Array(400)]]) };
    expect(() => encodeDhcp(large)).toThrow(/does not fit/);
    const asking = {
      ...plain,
      options: new Map([[option.maxMessageSize, Uint8Array.of(5, 0xc0)]]),
    };
    expect(payloadBytesMax(asking)).toBe(1444);
    expect(encodeDhcp(large, payloadBytesMax(asking)).length).toBeGreaterThan(548);
    expect(payloadBytesMax(plain)).toBe(548);
  });

  test("names that do not fit their field are refused", () => {
    expect(() => encodeDhcp({ ...plain, bootFile: "x".repeat(128) })).toThrow(PacketError);
    expect(() => encodeDhcp({ ...plain, serverName: "x".repeat(64) })).toThrow(PacketError);
  });
});

function expectOnlyPacketError(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(PacketError);
  }
}
