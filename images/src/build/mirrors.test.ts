// The machine's own mirrors are used, in either of apt's file formats.
import { expect, test } from "vitest";
import { chooseMirrors } from "./mirrors.ts";

test("Both archives are found in a deb822 file, disabled and foreign sources are passed over", () => {
  const text = [
    "Types: deb\nURIs: https://packages.example/vendor\nSuites: nodistro\nComponents: main\n",
    "Enabled: no\nTypes: deb\nURIs: http://old.example/debian\nSuites: bookworm\n",
    "Types: deb deb-src\nURIs: http://mirror.example/debian/\nSuites: trixie trixie-updates\n",
    "Types: deb\nURIs: http://mirror.example/security\nSuites: trixie-security\n",
  ].join("\n");
  expect(chooseMirrors(new Map([["debian.sources", text]]))).toEqual({
    debian: "http://mirror.example/debian",
    "debian-security": "http://mirror.example/security",
  });
});

test("One-line sources work too, and the security archive is looked for beside the main one", () => {
  const text =
    "# comment\ndeb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm main\n";
  expect(chooseMirrors(new Map([["sources.list", text]]))).toEqual({
    debian: "http://mirror.example/debian",
    "debian-security": "http://mirror.example/debian-security",
  });
});

test("A machine without a Debian source gets a clear error", () => {
  const text = "deb http://archive.example/ubuntu noble main\n";
  expect(() => chooseMirrors(new Map([["sources.list", text]]))).toThrow("no Debian source");
});
