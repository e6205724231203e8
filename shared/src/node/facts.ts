// What was discovered about a node: hardware, firmware, disks, links. Free text comes from firmware
// and is bounded, never trusted.
import { z } from "zod";
import { MacAddress } from "../ids.ts";

const text = z.string().max(200);

export const DiskFacts = z.object({
  name: text,
  sizeBytes: z.number().int().min(0),
  logicalBlockBytes: z.number().int().min(512).max(65_536),
  transport: text,
  serial: text,
  wwn: text,
  model: text,
});
export type DiskFacts = z.infer<typeof DiskFacts>;

export const LinkFacts = z.object({
  name: text,
  mac: MacAddress,
  driver: text,
  carrier: z.boolean(),
  speedMbit: z.number().int().min(0),
});
export type LinkFacts = z.infer<typeof LinkFacts>;

export const NodeFacts = z.object({
  vendor: text,
  /** Hardware model; a stratum of rollouts. */
  model: text,
  serial: text,
  uuid: text,
  firmware: z.enum(["bios", "uefi"]),
  firmwareVersion: text,
  secureBoot: z.boolean(),
  architecture: text,
  cpuModel: text,
  cpuCount: z.number().int().min(0).max(65_536),
  memoryBytes: z.number().int().min(0),
  kernel: text,
  disks: z.array(DiskFacts).max(64),
  links: z.array(LinkFacts).max(64),
});
export type NodeFacts = z.infer<typeof NodeFacts>;
