// Names of boot files: what firmware sends, and what an attacker would.
import { describe, expect, test } from "vitest";
import { isSpeculative, safeFileName } from "./file-name.ts";

describe("boot file names", () => {
  test("leading slashes and backslashes are read as firmware means them", () => {
    expect(safeFileName("/snponly.efi")).toBe("snponly.efi");
    expect(safeFileName("\\EFI\\debian\\grub.cfg")).toBe("EFI/debian/grub.cfg");
    expect(safeFileName("a//./b")).toBe("a/b");
  });

  test.each([
    "",
    "/",
    "../x",
    "a/../b",
    "..\\x",
    ".hidden",
    "a b",
    "a\0b",
    "x".repeat(256),
    "%2e%2e/x",
  ])("%j is refused", (name) => expect(safeFileName(name)).toBeUndefined());

  test("files that loaders try on the off chance are known as such", () => {
    expect(isSpeculative("pxelinux.cfg/default")).toBe(true);
    expect(isSpeculative("autoexec.ipxe")).toBe(true);
    expect(isSpeculative("EFI/BOOT/revocations.efi")).toBe(true);
    expect(isSpeculative("grub/grub.cfg-01-52-54-00-77-00-01")).toBe(true);
    expect(isSpeculative("snponly.efi")).toBe(false);
  });
});
