// Which boot file whom: by firmware, stage and intent, and the end of every chainload loop.
import { describe, expect, test } from "vitest";
import { asking, choosing, nodeMac, type Sender, sampleSite, serverIp } from "./boot-fixture.ts";
import type { BootIntent, BootSite } from "./boot-site.ts";
import { ChainloadLog, chainloadsMax, chainloadWindowMs } from "./chainloads.ts";
import { describeClient } from "./client.ts";
import { option } from "./dhcp-message.ts";
import { readText } from "./dhcp-options.ts";
import { dhcpReply } from "./dhcp-reply.ts";
import { LeaseTable } from "./leases.ts";

function offered(sender: Sender, changes: Partial<BootSite> = {}) {
  const view = {
    site: { ...sampleSite, ...changes },
    leases: new LeaseTable(),
    chainloads: new ChainloadLog(),
  };
  const decision = dhcpReply(asking("discover", { sender }), view, 0);
  return decision.kind === "reply" ? decision.reply : undefined;
}

function withIntent(
  intent: BootIntent,
  localBoot: "silence" | "chain" = "silence",
): Partial<BootSite> {
  return { nodes: [{ nodeId: "node-1", macs: [nodeMac], intent, localBoot }] };
}

describe("boot files", () => {
  test.each([
    ["bios", "undionly.kpxe"],
    ["uefi", "snponly.efi"],
    ["uefi-http", "http://10.77.0.1:8067/boot/files/snponly.efi"],
    ["ipxe", "http://10.77.0.1:8067/boot/ipxe?mac=52-54-00-77-00-01&platform=bios"],
    ["ipxe-efi", "http://10.77.0.1:8067/boot/ipxe?mac=52-54-00-77-00-01&platform=uefi"],
    ["ipxe-no-http", "undionly.kpxe"],
  ] as const)("%s gets %s in every place firmware looks for it", (sender, file) => {
    const reply = offered(sender);
    expect(reply).toMatchObject({ bootFile: file, nextServerIp: serverIp, serverName: serverIp });
    const options = reply?.options ?? new Map();
    expect(readText(options, option.bootFileName)).toBe(file);
    expect(readText(options, option.tftpServerName)).toBe(serverIp);
  });

  test("only HTTP boot is told its vendor class; PXE firmware would turn to port 4011", () => {
    expect(readText(offered("uefi-http")?.options ?? new Map(), option.vendorClass)).toBe(
      "HTTPClient",
    );
    expect(offered("uefi")?.options.has(option.vendorClass)).toBe(false);
  });

  test("iPXE is told not to wait for proxies, others are not", () => {
    expect(offered("ipxe")?.options.get(option.ipxe)).toEqual(Uint8Array.of(176, 1, 1));
    expect(offered("bios")?.options.has(option.ipxe)).toBe(false);
  });

  test("an installed system gets an address and no boot file", () => {
    const reply = offered("system");
    expect(reply).toMatchObject({ bootFile: "", nextServerIp: "0.0.0.0" });
    expect(reply?.options.has(option.bootFileName)).toBe(false);
  });

  test("firmware of a node that boots from its disk hears nothing, unless it must be chained", () => {
    expect(offered("uefi", withIntent("local"))).toBeUndefined();
    expect(offered("uefi", withIntent("none"))).toBeUndefined();
    expect(offered("uefi", withIntent("local", "chain"))?.bootFile).toBe("snponly.efi");
    expect(offered("system", withIntent("local"))?.yourIp).toBeDefined();
  });

  test("a reservation without a node gets its address, never a boot file", () => {
    const printer = { nodes: [], reservations: [{ mac: nodeMac, ip: "10.77.0.20" }] };
    expect(offered("system", printer)).toMatchObject({ yourIp: "10.77.0.20", bootFile: "" });
    expect(offered("bios", printer)).toBeUndefined();
  });

  test("architectures without a loader are not answered", () => {
    const noLoader = { files: { ...sampleSite.files, loaders: {} } };
    expect(offered("uefi", noLoader)).toBeUndefined();
  });
});

describe("who the client is", () => {
  const describe93 = (bytes: number[], mac = nodeMac) =>
    describeClient(
      asking("discover", { mac, options: [[option.architecture, Uint8Array.from(bytes)]] }),
    );

  test("option 93 is a list, 9 counts as x64, and a Raspberry Pi that claims BIOS is arm64", () => {
    expect(describe93([0, 9]).firmware).toBe("uefi-x64");
    expect(describe93([0, 6, 0, 7])).toMatchObject({ firmware: "uefi-x64", architectures: [6, 7] });
    expect(describe93([0, 11]).firmware).toBe("uefi-arm64");
    expect(describe93([0, 0], "dc:a6:32:01:02:03").firmware).toBe("uefi-arm64");
    expect(describe93([0]).architectures).toEqual([]);
  });

  test("iPXE is known by option 175 and by both forms of the user class", () => {
    const userClass = (bytes: number[]) =>
      describeClient(asking("discover", { options: [[option.userClass, Uint8Array.from(bytes)]] }))
        .stage;
    expect(describeClient(asking("discover", { sender: "ipxe" }))).toMatchObject({
      stage: "ipxe",
      ipxeHasHttp: true,
    });
    expect(userClass([0x69, 0x50, 0x58, 0x45])).toBe("ipxe");
    expect(userClass([4, 0x69, 0x50, 0x58, 0x45])).toBe("ipxe");
    expect(userClass([3, 0x61, 0x62, 0x63])).toBe("pxe");
  });

  test("the UUID is read in both byte orders; other forms of option 97 are ignored", () => {
    expect(describeClient(asking("discover")).uuids).toEqual([
      "01020304-0506-0708-090a-0b0c0d0e0f10",
      "04030201-0605-0807-090a-0b0c0d0e0f10",
    ]);
    const odd = asking("discover", { options: [[option.clientUuid, Uint8Array.of(1, 2)]] });
    expect(describeClient(odd).uuids).toEqual([]);
  });
});

describe("the loop breaker", () => {
  test("a client that was sent to a loader three times in five minutes is held, then let go", () => {
    const view = { site: sampleSite, leases: new LeaseTable(), chainloads: new ChainloadLog() };
    const boot = (now: number) => {
      const first = dhcpReply(asking("discover"), view, now);
      if (first.kind === "silence") return first.event;
      view.leases.apply(first.changes);
      const options = choosing(first.reply.yourIp, serverIp);
      const second = dhcpReply(asking("request", { options }), view, now);
      if (second.kind === "reply" && second.isChainload)
        view.chainloads.record(second.client.key, now);
      return second.event;
    };
    for (let round = 0; round < chainloadsMax; round += 1)
      expect(boot(round * 1000)).toBe("acknowledged");
    expect(boot(60_000)).toBe("chainload-held");
    expect(boot(chainloadWindowMs + 1)).toBe("acknowledged");
  });
});
