// The iPXE scripts: what each platform and intent gets, and what may never stand in one.
import { describe, expect, test } from "vitest";
import { nodeMac, sampleSite } from "./boot-fixture.ts";
import { BootScriptError, bootScript, canonicalMac } from "./boot-script.ts";
import type { BootIntent } from "./boot-site.ts";

function scriptFor(intent: BootIntent, platform: "bios" | "uefi", uefiLocal?: string): string {
  const loaders = {
    ...sampleSite.files.loaders,
    ...(uefiLocal === undefined ? {} : { uefiLocal }),
  };
  const site = {
    ...sampleSite,
    nodes: [{ nodeId: "node-1", macs: [nodeMac], intent, localBoot: "chain" as const }],
    files: { ...sampleSite.files, loaders },
  };
  return bootScript(site, { mac: nodeMac, platform }, 0).text;
}

describe("boot scripts", () => {
  test.each(["install", "inventory", "rescue"] as const)(
    "%s loads the installer in that mode",
    (intent) => {
      const text = scriptFor(intent, "uefi");
      expect(text.startsWith("#!ipxe\n")).toBe(true);
      expect(text).toContain(
        `kernel http://10.77.0.1:8067/boot/files/vmlinuz initrd=initrd0 drover.mode=${intent} `,
      );
      expect(text).toContain(
        "initrd --name initrd0 http://10.77.0.1:8067/boot/files/installer.img || goto again",
      );
    },
  );

  test("the script gives up after five tries and leaves for the disk", () => {
    expect(scriptFor("install", "bios")).toMatch(
      /iseq \$\{tries\} 5 && goto give-up \|\|[\s\S]*\nexit\n$/,
    );
  });

  test("going on to the disk is exit on BIOS, a chained GRUB or exit 1 on UEFI", () => {
    expect(scriptFor("local", "bios")).toBe("#!ipxe\nexit\n");
    expect(scriptFor("local", "uefi")).toBe("#!ipxe\nexit 1\n");
    expect(scriptFor("local", "uefi", "local.efi")).toBe(
      "#!ipxe\nchain http://10.77.0.1:8067/boot/files/local.efi ||\nexit 1\n",
    );
  });

  test("a stranger gets the inventory only while the discover window is open", () => {
    const who = { mac: "52:54:00:00:00:01", platform: "bios" } as const;
    const open = { ...sampleSite, discoverUntil: 10 };
    expect(bootScript(open, who, 9).text).toContain("drover.mode=inventory");
    expect(bootScript(open, who, 10).text).toBe("#!ipxe\nexit\n");
  });

  test.each(["a b", "x\nboot", "\u0024{net0/mac}", "||", ""])(
    "the argument %j is refused",
    (arg) => {
      const installer = { ...sampleSite.files.installer, args: [arg] };
      const site = { ...sampleSite, files: { ...sampleSite.files, installer } };
      expect(() => bootScript(site, { mac: nodeMac, platform: "bios" }, 0)).toThrow(
        BootScriptError,
      );
    },
  );

  test("an Ethernet address is read in both spellings and nothing else", () => {
    expect(canonicalMac("52-54-00-77-00-0A")).toBe("52:54:00:77:00:0a");
    expect(canonicalMac("52:54:00:77:00:0a")).toBe("52:54:00:77:00:0a");
    expect(canonicalMac("52:54:00:77:00")).toBeUndefined();
    expect(canonicalMac("52:54:00:77:00:0a\n")).toBeUndefined();
  });
});
