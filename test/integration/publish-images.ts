// Puts made images into a running control plane and offers them on the channel `dev`, as CI does it.
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { releaseSigner } from "@drover/server/keys/init-keys";
import { call } from "@drover/shared/api/client";
import { releaseApi } from "@drover/shared/api/release-api";
import { ChannelName, type Sha256 } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import { sha256Hex } from "@drover/shared/trust/digest";
import { makeReleaseMetadata } from "@drover/shared/trust/release-metadata";
import type { MadeImage } from "./agent-images.ts";
import type { TestControlPlane } from "./with-control-plane.ts";

const channel = ChannelName.parse("dev");

/** Puts everything below the content folder `store`; the images become `lite@1.0.0`, `lite@2.0.0` … */
export async function publishImages(
  centre: TestControlPlane,
  store: string,
  images: readonly MadeImage[],
): Promise<ReleaseRef[]> {
  const admin = centre.sender(centre.adminToken);
  for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await centre.put(path.slice(store.length), readFileSync(path));
  }
  await centre.put(`/content/file/${sha256Hex("")}`, new Uint8Array());
  for (const { imageId } of images)
    await call(admin, releaseApi.registerImage, { body: { manifest: imageId as Sha256 } });
  const releases = images.map(({ imageId }, index) => ({
    name: "lite",
    semver: `${index + 1}.0.0`,
    channel,
    counter: index + 1,
    imageId,
  }));
  const metadata = makeReleaseMetadata(
    {
      version: 1,
      expiresAt: Date.now() + 86_400_000,
      releases: releases.map(({ name, semver, imageId, counter }, index) => ({
        name,
        semver,
        imageId,
        manifestBytes: images[index]?.manifestBytes ?? 0,
        custom: { counter, minimum: 0, step: false },
      })),
    },
    [releaseSigner(join(centre.data, "keys"), channel)],
  );
  await call(admin, releaseApi.putChannel, { params: { channel }, body: { metadata } });
  return releases;
}
