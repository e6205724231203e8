// Typed steps that install or service a node. Signed by the fleet role and chosen by the node's class;
// the installer runs them in order, each safe to repeat.
import { z } from "zod";
import { NodeClass } from "../ids.ts";

const mebibytes = z
  .number()
  .int()
  .min(1)
  .max(2 ** 24);

/** Sizes of the disk layout that may differ by class; the rest is fixed. */
export const DiskLayoutSizes = z.object({
  espMiB: mebibytes.default(512),
  bootMiB: mebibytes.default(256),
  rootMiB: mebibytes.default(4096),
  siteMiB: mebibytes.default(64),
});
export type DiskLayoutSizes = z.infer<typeof DiskLayoutSizes>;

/** Chooses the one disk to write by facts; none or several matches fail closed. */
export const DiskChoice = z.object({
  serial: z.string().max(120).optional(),
  wwn: z.string().max(120).optional(),
  sizeBytesMin: z.number().int().min(0).optional(),
  sizeBytesMax: z.number().int().min(0).optional(),
  transport: z.enum(["virtio", "sata", "nvme", "scsi", "usb", "mmc"]).optional(),
});
export type DiskChoice = z.infer<typeof DiskChoice>;

export const ProcedureStep = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("inventory") }),
  z.object({ kind: z.literal("partition"), disk: DiskChoice, sizes: DiskLayoutSizes }),
  z.object({ kind: z.literal("write-slot") }),
  z.object({ kind: z.literal("write-loader") }),
  z.object({ kind: z.literal("write-site-config") }),
  z.object({ kind: z.literal("reboot") }),
]);
export type ProcedureStep = z.infer<typeof ProcedureStep>;

/** Payload of a DSSE envelope of type `procedure`. */
export const Procedure = z.object({
  v: z.literal(1),
  class: NodeClass,
  /** Rises with every change. */
  serial: z.number().int().min(1),
  steps: z.array(ProcedureStep).min(1).max(40),
});
export type Procedure = z.infer<typeof Procedure>;

/** The procedure a class has until somebody writes another. */
export function defaultProcedure(
  nodeClass: NodeClass,
  sizes: Partial<DiskLayoutSizes> = {},
): Procedure {
  return {
    v: 1,
    class: nodeClass,
    serial: 1,
    steps: [
      { kind: "inventory" },
      { kind: "partition", disk: {}, sizes: DiskLayoutSizes.parse(sizes) },
      { kind: "write-slot" },
      { kind: "write-site-config" },
      { kind: "write-loader" },
      { kind: "reboot" },
    ],
  };
}
