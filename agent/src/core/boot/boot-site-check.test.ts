// Which sites are refused before a packet is answered, and with which words.
import { describe, expect, test } from "vitest";
import { nodeMac, sampleSite } from "./boot-fixture.ts";
import type { BootSite } from "./boot-site.ts";
import { bootSiteProblems } from "./boot-site-check.ts";

const node = sampleSite.nodes[0];
const wrong: [string, Partial<BootSite>, string][] = [
  [
    "an address nobody can read",
    { serverIp: "10.77.0.01" },
    'server address "10.77.0.01" is not an IPv4',
  ],
  [
    "a prefix firmware refuses",
    { subnet: { networkIp: "10.77.0.0", prefixBits: 31 } },
    "prefix /31",
  ],
  [
    "a network with host bits",
    { subnet: { networkIp: "10.77.0.9", prefixBits: 24 } },
    "bits set beyond",
  ],
  [
    "a pool that runs backwards",
    { pool: { firstIp: "10.77.0.9", lastIp: "10.77.0.8" } },
    "ends before",
  ],
  [
    "a pool outside",
    { pool: { firstIp: "10.77.0.9", lastIp: "10.77.1.8" } },
    "10.77.1.8 is outside",
  ],
  [
    "its own address reserved",
    { reservations: [{ mac: nodeMac, ip: "10.77.0.1" }] },
    "is reserved",
  ],
  [
    "a MAC in capitals",
    { reservations: [{ mac: "AA:00:00:00:00:01", ip: "10.77.0.9" }] },
    "lower-case",
  ],
  [
    "one MAC at two nodes",
    { nodes: node === undefined ? [] : [node, node] },
    "belongs to two nodes",
  ],
  [
    "one address reserved twice",
    {
      reservations: [
        { mac: "02:00:00:00:00:01", ip: "10.77.0.9" },
        { mac: "02:00:00:00:00:02", ip: "10.77.0.9" },
      ],
    },
    "10.77.0.9 is reserved twice",
  ],
  [
    "a loader outside the folder",
    { files: { ...sampleSite.files, loaders: { bios: "../x" } } },
    "no boot file name",
  ],
  ["no HTTP port", { httpPort: 0 }, "HTTP port 0"],
  [
    "a lease of seconds",
    { leases: { normalMs: 3_600_000, bootMs: 5000 } },
    "shorter than a minute",
  ],
];

describe("sites that cannot be served", () => {
  test("the sample site has no problem", () => {
    expect(bootSiteProblems(sampleSite)).toEqual([]);
  });

  test.each(wrong)("%s is named", (_what, changes, words) => {
    const problems = bootSiteProblems({ ...sampleSite, ...changes });
    expect(problems.filter((problem) => problem.includes(words))).toHaveLength(1);
  });

  test("all problems are named at once", () => {
    expect(bootSiteProblems({ ...sampleSite, serverIp: "x", httpPort: 0 })).toHaveLength(2);
  });
});
