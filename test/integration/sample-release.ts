// Two small images without real bytes, registered and published the way CI does it.
import { join } from "node:path";
import { releaseSigner } from "@drover/server/keys/init-keys";
import { call } from "@drover/shared/api/client";
import { releaseApi } from "@drover/shared/api/release-api";
import { ChannelName, type ImageId, type Sha256 } from "@drover/shared/ids";
import { Manifest, manifestText } from "@drover/shared/image/manifest";
import type { ReleaseRef } from "@drover/shared/release/release";
import { sha256Hex } from "@drover/shared/trust/digest";
import { makeReleaseMetadata } from "@drover/shared/trust/release-metadata";
import type { TestControlPlane } from "./with-control-plane.ts";

const channel = ChannelName.parse("dev");

/** Registers `lite@1.0.0` … and publishes all of them on `dev`. */
export async function publishReleases(
  centre: TestControlPlane,
  count: number,
): Promise<readonly ReleaseRef[]> {
  const releases: ReleaseRef[] = [];
  const bytes: number[] = [];
  for (let counter = 1; counter <= count; counter += 1) {
    const { imageId, manifestBytes } = await putImage(centre, counter);
    releases.push({ name: "lite", semver: `${counter}.0.0`, channel, counter, imageId });
    bytes.push(manifestBytes);
  }
  const metadata = makeReleaseMetadata(
    {
      version: 1,
      expiresAt: Date.now() + 86_400_000,
      releases: releases.map(({ name, semver, imageId, counter }, index) => ({
        name,
        semver,
        imageId,
        manifestBytes: bytes[index] ?? 0,
        custom: { counter, minimum: 0, step: false },
      })),
    },
    [releaseSigner(join(centre.data, "keys"), channel)],
  );
  const admin = centre.sender(centre.adminToken);
  await call(admin, releaseApi.putChannel, { params: { channel }, body: { metadata } });
  return releases;
}

async function putImage(
  centre: TestControlPlane,
  number: number,
): Promise<{ imageId: ImageId; manifestBytes: number }> {
  const put = async (kind: string, text: string): Promise<Sha256> => {
    const bytes = new TextEncoder().encode(text);
    const digest = sha256Hex(bytes);
    await centre.put(`/content/${kind}/${digest}`, bytes);
    return digest;
  };
  const artefact = { sizeBytes: 4096, sha256: sha256Hex(`artefact ${number}`) };
  const manifest = Manifest.parse({
    v: 1,
    name: "lite",
    architecture: "amd64",
    bootModes: ["bios", "uefi"],
    artefacts: { root: artefact, kernel: artefact, initrd: artefact },
    verity: {
      rootHash: sha256Hex("root"),
      saltHex: "0".repeat(64),
      dataBlocks: 1,
      blockBytes: 4096,
    },
    kernelArguments: [],
    chunkIndexRoot: await put("index", `index ${number}`),
    chunkIndexBytes: 7,
    lock: await put("file", "lock"),
    sbom: await put("file", "sbom"),
    packages: await put("file", "packages"),
    provenance: await put("file", `provenance ${number}`),
    probes: [],
    state: { reads: [0], writes: 0 },
    requires: {},
  });
  const text = manifestText(manifest);
  const digest = await put("manifest", text);
  const admin = centre.sender(centre.adminToken);
  const image = await call(admin, releaseApi.registerImage, { body: { manifest: digest } });
  return { imageId: image.id, manifestBytes: text.length };
}
