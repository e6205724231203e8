// The rule that decides which disk may be erased.
import type { DiskFacts } from "@drover/shared/node/facts";
import { describe, expect, it } from "vitest";
import { chooseDisk } from "./choose-disk.ts";

const disk = (name: string, more: Partial<DiskFacts> = {}): DiskFacts => ({
  name,
  sizeBytes: 8_000_000_000,
  logicalBlockBytes: 512,
  transport: "virtio",
  serial: `serial-${name}`,
  wwn: "",
  model: "",
  ...more,
});

describe("choosing the disk to erase", () => {
  it("takes the only disk when the class asks for nothing", () => {
    expect(chooseDisk([disk("vda")], {})).toMatchObject({ kind: "chosen", disk: { name: "vda" } });
  });

  it("refuses when several disks match, and says how to name one", () => {
    const answer = chooseDisk([disk("vda"), disk("vdb")], {});
    expect(answer.kind).toBe("refused");
    expect(answer.because[0]).toMatch(/several disks match \(vda, vdb\)/);
  });

  it("refuses when none matches and says of each disk why", () => {
    const answer = chooseDisk([disk("vda")], { serial: "other", sizeBytesMin: 9_000_000_000 });
    expect(answer.because.join(" ")).toMatch(
      /vda does not match: its serial is serial-vda, it has 8000000000 bytes/,
    );
    expect(chooseDisk([], {}).because).toEqual(["the node has no disk"]);
  });

  it("finds one among several by serial, transport or size", () => {
    const disks = [disk("vda"), disk("nvme0n1", { transport: "nvme", sizeBytes: 64_000_000_000 })];
    expect(chooseDisk(disks, { transport: "nvme" })).toMatchObject({ disk: { name: "nvme0n1" } });
    expect(chooseDisk(disks, { sizeBytesMax: 10_000_000_000 })).toMatchObject({
      disk: { name: "vda" },
    });
  });
});
