// What the command line and the kernel's own table say of the running system.
import { describe, expect, it } from "vitest";
import { parseLoaderWords, rootHashOfTable } from "./running-system.ts";

const image = "a".repeat(64);
const line = `BOOT_IMAGE=(hd0,gpt3)/vmlinuz drover.slot=a drover.why=try drover.disk=0fc63daf-8483-4772-8e79-3d69d8477de4 drover.image=${image} quiet`;

describe("what is running", () => {
  it("reads slot, reason, disk and image from the kernel command line", () => {
    expect(parseLoaderWords(line)).toMatchObject({ slot: "a", why: "try", imageId: image });
  });

  it("takes the loader's first word when one is given twice", () => {
    expect(parseLoaderWords(`${line} drover.slot=b`).slot).toBe("a");
  });

  it("refuses a command line that our loader did not write", () => {
    expect(() => parseLoaderWords("root=/dev/sda1 quiet")).toThrow(/not started from a slot/);
    expect(() => parseLoaderWords(line.replace("drover.why=try", "drover.why=maybe"))).toThrow();
  });

  it("takes the root hash from the kernel's verity table and from nothing else", () => {
    const hash = "b".repeat(64);
    const table = `0 1024 verity 1 254:5 254:5 4096 4096 128 1000 sha256 ${hash} ${"c".repeat(64)}`;
    expect(rootHashOfTable(table)).toBe(hash);
    expect(rootHashOfTable("0 1024 linear 254:5 0")).toBeUndefined();
    expect(rootHashOfTable("")).toBeUndefined();
  });
});
