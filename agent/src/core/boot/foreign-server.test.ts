// What an answer to our probe says about who else serves this LAN.
import { seededRandom } from "@drover/shared/random";
import { expect, test } from "vitest";
import { sampleSite, serverIp } from "./boot-fixture.ts";
import { buildReply } from "./dhcp-build.ts";
import { type DhcpMessage, messageType, option } from "./dhcp-message.ts";
import { textBytes } from "./dhcp-options.ts";
import { foreignServer, probeFrom, probeMessage } from "./foreign-server.ts";

const probe = probeFrom(seededRandom(3));

function offerFrom(ip: string, yourIp: string, extra: [number, Uint8Array][] = []): DhcpMessage {
  const choice = { kind: "address-only", because: "" } as const;
  const reply = buildReply(
    probeMessage(probe),
    { ...sampleSite, serverIp: ip },
    { kind: "offer", yourIp, choice },
  );
  return { ...reply, options: new Map([...reply.options, ...extra]) };
}

test("the probe uses a locally administered unicast address and asks for a broadcast", () => {
  expect((probe.hardware[0] ?? 0) & 3).toBe(2);
  expect(probeMessage(probe).flags).toBe(0x8000);
});

test("an offer with an address is a DHCP server, one without is a proxy", () => {
  expect(foreignServer(offerFrom("10.77.0.250", "10.77.0.9"), probe, serverIp)).toEqual({
    serverIp: "10.77.0.250",
    kind: "dhcp",
    claimsPxe: false,
  });
  expect(foreignServer(offerFrom("10.77.0.250", "0.0.0.0"), probe, serverIp)?.kind).toBe("proxy");
});

test("a server that says PXEClient to everybody is found out, as it breaks every UEFI client", () => {
  const leak: [number, Uint8Array] = [option.vendorClass, textBytes("PXEClient")];
  expect(
    foreignServer(offerFrom("10.77.0.250", "10.77.0.9", [leak]), probe, serverIp)?.claimsPxe,
  ).toBe(true);
});

test("our own answer, another client's answer and a refusal are nobody", () => {
  const offer = offerFrom("10.77.0.250", "10.77.0.9");
  expect(foreignServer(offerFrom(serverIp, "10.77.0.9"), probe, serverIp)).toBeUndefined();
  expect(foreignServer({ ...offer, xid: probe.xid ^ 1 }, probe, serverIp)).toBeUndefined();
  const nak: [number, Uint8Array] = [option.messageType, Uint8Array.of(messageType.nak)];
  expect(
    foreignServer(offerFrom("10.77.0.250", "10.77.0.9", [nak]), probe, serverIp),
  ).toBeUndefined();
});
