// What a node keeps on its state partition, which stays over all updates: who it is, what it trusts,
// how far its releases are. Written whole by the installer, then only replaced durably.
import { join } from "node:path";
import { type ImageId, NodeId, SiteId } from "@drover/shared/ids";
import { type Manifest, manifestText } from "@drover/shared/image/manifest";
import { z } from "zod";
import { firstState, type UpdateState } from "../core/update/state.ts";
import type { TrustMemory } from "../trust-keeper.ts";
import { writeDurably } from "./state-file.ts";

export const stateFolder = "/var/lib/drover";

export const NodeIdentity = z.object({
  v: z.literal(1),
  site: SiteId,
  node: NodeId,
  /** Ed25519 seed of the key that the node made itself; it never leaves the disk. */
  seedHex: z.string().regex(/^[0-9a-f]{64}$/),
  /** Base address of the site agent on the LAN. */
  siteUrl: z.url({ protocol: /^https?$/ }),
});
export type NodeIdentity = z.infer<typeof NodeIdentity>;

export const memoryFiles = {
  identity: "identity.json",
  trust: "trust.json",
  update: "update.json",
} as const;

/** Where the manifest of an image in a slot is kept. */
export const manifestFile = (imageId: ImageId): string => `images/${imageId}.json`;

/** Update state of a node that was just installed into slot a. */
export function installedState(
  installed: { imageId: ImageId; name: string; minimum: number },
  wallMs: number,
): UpdateState {
  const { imageId, name, minimum } = installed;
  return {
    ...firstState(wallMs),
    slots: { a: { condition: "good", imageId }, b: { condition: "empty", imageId: null } },
    committedImageId: imageId,
    proved: [imageId],
    minimums: { [name]: minimum },
    because: ["the installer wrote slot a"],
  };
}

/** The files of a fresh state partition, by path. */
export function firstMemory(
  identity: NodeIdentity,
  trust: TrustMemory,
  update: UpdateState,
  image: { readonly imageId: ImageId; readonly manifest: Manifest },
): ReadonlyMap<string, string> {
  return new Map([
    [memoryFiles.identity, JSON.stringify(identity)],
    [memoryFiles.trust, JSON.stringify(trust)],
    [memoryFiles.update, JSON.stringify(update)],
    [manifestFile(image.imageId), manifestText(image.manifest)],
  ]);
}

export function rememberTrust(folder: string, trust: TrustMemory): void {
  writeDurably(join(folder, memoryFiles.trust), JSON.stringify(trust));
}
