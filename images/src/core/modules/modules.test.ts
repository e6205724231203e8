// Module closure and lookup tables: what an image keeps, and how modprobe finds it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { moduleClosure } from "./closure.ts";
import { moduleTables } from "./depmod.ts";
import { indexFile } from "./index-file.ts";
import { type KernelModule, underscored } from "./modinfo.ts";

function module(
  name: string,
  depends: string[] = [],
  more: Partial<KernelModule> = {},
): KernelModule {
  return { name, path: `kernel/${name}.ko`, depends, aliases: [], softDependencies: [], ...more };
}

interface IndexNode {
  readonly prefix: string;
  readonly childAt: (branch: number) => number;
  readonly values: string[];
}

function textAt(index: Uint8Array, at: number): string {
  return new TextDecoder().decode(index.subarray(at, index.indexOf(0, at)));
}

/** Reads one node as libkmod does; `pointer` is its offset with the three flag bits. */
function readNode(index: Uint8Array, pointer: number): IndexNode {
  const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
  let at = pointer & 0x0fffffff;
  const prefix = pointer & 0x80000000 ? textAt(index, at) : "";
  if (prefix !== "") at += prefix.length + 1;
  const first = index[at] ?? 0;
  const last = pointer & 0x20000000 ? (index[at + 1] ?? 0) : first - 1;
  const table = at + 2;
  if (last >= first) at = table + 4 * (last - first + 1);
  const values: string[] = [];
  const count = pointer & 0x40000000 ? view.getUint32(at) : 0;
  for (let place = at + 8; values.length < count; place += 4) {
    const value = textAt(index, place);
    values.push(value);
    place += value.length + 1;
  }
  const childAt = (branch: number): number =>
    branch < first || branch > last ? 0 : view.getUint32(table + 4 * (branch - first));
  return { prefix, childAt, values };
}

function lookUp(index: Uint8Array, key: string): string[] {
  let pointer = new DataView(index.buffer, index.byteOffset).getUint32(8);
  let rest = key;
  while ((pointer & 0x0fffffff) !== 0) {
    const node = readNode(index, pointer);
    if (!rest.startsWith(node.prefix)) return [];
    rest = rest.slice(node.prefix.length);
    if (rest === "") return node.values;
    pointer = node.childAt(rest.charCodeAt(0));
    rest = rest.slice(1);
  }
  return [];
}

test("The closure holds hard and soft dependencies in the kernel's order", () => {
  const all = [
    module("crc"),
    module("disk"),
    module("fs", ["lib"], { softDependencies: ["pre: crc"] }),
    module("lib"),
  ];
  const kept = moduleClosure(all, ["fs"], new Set());
  expect(kept.map(({ name }) => name)).toEqual(["crc", "fs", "lib"]);
});

test("Wanting a built-in module is fine, wanting one that does not exist is an error", () => {
  expect(moduleClosure([], ["ext-4"], new Set(["ext_4"]))).toEqual([]);
  expect(() => moduleClosure([], ["nothing"], new Set())).toThrow("not in this kernel");
});

test("Dashes and underscores are one in names, but not inside brackets", () => {
  expect(underscored("dm-verity")).toBe("dm_verity");
  expect(underscored("usb:v[0-9]-x")).toBe("usb:v[0-9]_x");
});

test("Every key of an index is found again with all its values, and no other key is", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-d_]{1,6}$/), fc.nat(3), { maxKeys: 40 }),
      (keys) => {
        const entries = Object.entries(keys).flatMap(([key, count]) =>
          Array.from({ length: count + 1 }, (_, priority) => ({
            key,
            value: `${key}=${priority}`,
            priority,
          })),
        );
        const index = indexFile(entries);
        for (const [key, count] of Object.entries(keys)) {
          const expected = Array.from({ length: count + 1 }, (_, priority) => `${key}=${priority}`);
          expect(lookUp(index, key)).toEqual(expected);
        }
        expect(lookUp(index, "zz")).toEqual([]);
      },
    ),
  );
});

test("Tables name each module with the modules to load before it, nearest first", () => {
  const tables = moduleTables(
    [
      module("top", ["mid"], { aliases: ["fs-top", "pci:v*"] }),
      module("mid", ["low"]),
      module("low"),
    ],
    ["ext4"],
  );
  const dependencies = new TextDecoder().decode(tables.get("modules.dep"));
  expect(dependencies).toContain("kernel/top.ko: kernel/mid.ko kernel/low.ko\n");
  const aliases = tables.get("modules.alias.bin") ?? new Uint8Array();
  expect(lookUp(aliases, "fs_top")).toEqual(["top"]);
  expect(lookUp(tables.get("modules.builtin.bin") ?? new Uint8Array(), "ext4")).toEqual([""]);
});
