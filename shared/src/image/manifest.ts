// What an image is: one canonical JSON document that binds every byte of it. SHA-256 of its canonical
// form is the image id. Readers ignore members they do not know; the digest still covers them.
import { z } from "zod";
import { canonicalJson } from "../canonical-json.ts";
import { Sha256 } from "../ids.ts";

export const manifestBytesMax = 256 * 1024;
const sizeBytes = z
  .number()
  .int()
  .min(1)
  .max(2 ** 42);

/** One file of the image that is written to a slot. */
export const Artefact = z.object({ sizeBytes, sha256: Sha256 });
export type Artefact = z.infer<typeof Artefact>;

/** dm-verity (format 1, SHA-256, 4096-byte blocks) over the root file system; the tree is never shipped. */
export const Verity = z.object({
  rootHash: Sha256,
  saltHex: z.string().regex(/^[0-9a-f]{64}$/),
  dataBlocks: z.number().int().min(1),
  blockBytes: z.literal(4096),
});
export type Verity = z.infer<typeof Verity>;

/** One question the running system asks itself before it may commit. */
export const Probe = z.object({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  /** Absolute path of a program inside the image and its arguments; exit 0 is healthy. */
  command: z.array(z.string().max(400)).min(1).max(20),
  timeoutMs: z.number().int().min(100).max(600_000),
});
export type Probe = z.infer<typeof Probe>;

/** Which versions of the node's state the image reads, and which it writes. */
export const StateContract = z.object({
  reads: z.array(z.number().int().min(0)).max(100),
  writes: z.number().int().min(0),
});

/** What a node must have to run the image. */
export const HardwareRequirements = z.object({
  memoryBytesMin: z.number().int().min(0).default(0),
  rootSlotBytesMin: z.number().int().min(0).default(0),
});

export const Manifest = z.object({
  v: z.literal(1),
  /** Name of the recipe; a release of the same name offers the image. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  architecture: z.enum(["amd64", "arm64"]),
  bootModes: z.array(z.enum(["bios", "uefi"])).min(1),
  /** `root` is the file system of the root slot; `kernel` and `initrd` go to the boot slot. */
  artefacts: z.object({ root: Artefact, kernel: Artefact, initrd: Artefact }),
  verity: Verity,
  kernelArguments: z.array(z.string().max(200)).max(60),
  /** Digest of the chunk index's header and page table; pages verify against that. */
  chunkIndexRoot: Sha256,
  chunkIndexBytes: sizeBytes,
  lock: Sha256,
  sbom: Sha256,
  packages: Sha256,
  provenance: Sha256,
  probes: z.array(Probe).max(40),
  state: StateContract,
  requires: HardwareRequirements,
  /** JSON Schema of the parameters the image takes, as canonical JSON text. */
  parametersSchema: z.string().max(32_768).default("{}"),
  /** Oldest agent protocol version that can install and run the image. */
  agentProtocolMin: z.number().int().min(1).default(1),
});
export type Manifest = z.infer<typeof Manifest>;

/** The canonical text whose SHA-256 is the image id. */
export function manifestText(manifest: Manifest): string {
  return canonicalJson(manifest);
}

/** Bytes of the image on a node's disk, without the verity tree. */
export function imageBytes(manifest: Manifest): number {
  const { root, kernel, initrd } = manifest.artefacts;
  return root.sizeBytes + kernel.sizeBytes + initrd.sizeBytes;
}
