// Package containers and control stanzas, and what happens when they lie about themselves.
import fc from "fast-check";
import { expect, test } from "vitest";
import { PackageFormatError, readArMembers } from "./ar.ts";
import { parseStanzas } from "./stanza.ts";

function arFile(members: readonly (readonly [string, string])[]): Uint8Array {
  const text = members.map(([name, body]) => {
    const head = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
    return `${head}${String(body.length).padEnd(10)}\`\n${body}${body.length % 2 ? "\n" : ""}`;
  });
  return new TextEncoder().encode(`!<arch>\n${text.join("")}`);
}

test("Members are found at their even offsets", () => {
  const members = readArMembers(
    arFile([
      ["debian-binary", "2.0\n"],
      ["control.tar.xz", "abc"],
      ["data.tar.xz/", "de"],
    ]),
  );
  expect(members.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ["debian-binary", 4],
    ["control.tar.xz", 3],
    ["data.tar.xz", 2],
  ]);
  expect(members[2]?.offsetBytes).toBe(8 + 60 + 4 + 60 + 4 + 60);
});

test("A damaged or cut container is refused with its own error, never another", () => {
  const whole = arFile([
    ["debian-binary", "2.0\n"],
    ["data.tar", "0123456789"],
  ]);
  fc.assert(
    fc.property(
      fc.nat(whole.length - 1),
      fc.nat(255),
      fc.nat(whole.length),
      (at, value, length) => {
        const damaged = whole.slice(0, length);
        if (at < damaged.length) damaged[at] = value;
        try {
          for (const member of readArMembers(damaged)) {
            expect(member.offsetBytes + member.sizeBytes).toBeLessThanOrEqual(damaged.length);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PackageFormatError);
        }
      },
    ),
  );
});

test("A continuation line belongs to its field, an empty line ends the stanza", () => {
  const stanzas = parseStanzas("Package: a\nDescription: short\n long\n .\n\n# note\nPackage: b\n");
  expect(stanzas.map((stanza) => stanza.get("Package"))).toEqual(["a", "b"]);
  expect(stanzas[0]?.get("Description")).toBe("short\nlong\n.");
});
