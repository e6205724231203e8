// Endpoints of images, channels and what a site would have to fetch. Publishing metadata changes no site by
// itself: it only says which releases exist.
import { type ImageView, releaseApi, type WanBill } from "@drover/shared/api/release-api";
import type { ChannelName, ImageId, Sha256 } from "@drover/shared/ids";
import { Manifest, manifestBytesMax } from "@drover/shared/image/manifest";
import type { ReleaseRef } from "@drover/shared/release/release";
import { sha256Hex } from "@drover/shared/trust/digest";
import { type TrustedRoot, trustReleases } from "@drover/shared/trust/release-metadata";
import { conflict, notFound, RequestError } from "./problem.ts";
import type { Server } from "./serve.ts";

interface StoredRelease extends ReleaseRef {
  readonly minimum: number;
  readonly step: boolean;
  readonly withdrawn: string | null;
}

export interface ReleaseDesk {
  addImage(
    image: { id: ImageId; manifest: Manifest; manifestBytes: number },
    now: number,
  ): Promise<boolean>;
  images(ids?: readonly ImageId[]): Promise<ImageView[]>;
  manifest(id: ImageId): Promise<Manifest | undefined>;
  releases(channel: ChannelName): Promise<StoredRelease[]>;
  channel(name: string): Promise<{ version: number; metadata: string } | undefined>;
  putChannel(write: {
    channel: ChannelName;
    version: number;
    metadata: string;
    sha256: string;
    releases: readonly StoredRelease[];
    now: number;
  }): Promise<boolean>;
}

/** The content store as far as these endpoints need it. */
export interface ContentShelf {
  has(kind: string, digest: string): Promise<boolean>;
  /** Text of a small object, or undefined. */
  read(kind: string, digest: string, bytesMax: number): Promise<string | undefined>;
}

export interface ReleaseOptions {
  readonly desk: ReleaseDesk;
  readonly shelf: ContentShelf;
  readonly root: TrustedRoot;
  /** The exact plan; undefined when an index is missing. */
  wanBill(
    from: Manifest | undefined,
    to: { readonly id: ImageId; readonly manifest: Manifest },
  ): Promise<Omit<WanBill, "from" | "to"> | undefined>;
  readonly wakeDesired: () => void;
  readonly now: () => number;
}

export function serveReleases(server: Server, options: ReleaseOptions): void {
  const { desk, shelf } = options;
  server.person(releaseApi.listImages, "read", async () => ({ items: await desk.images() }));
  server.person(releaseApi.registerImage, "release", ({ body }) =>
    registerImage(options, body.manifest),
  );
  server.person(releaseApi.contentExists, "read", async ({ body }) => {
    const missing = [];
    for (const object of body.objects) {
      if (!(await shelf.has(object.kind, object.sha256))) missing.push(object);
    }
    return { missing };
  });
  server.person(releaseApi.wanBill, "read", async ({ params, query }) => {
    const manifest = await desk.manifest(params.image);
    const from = query.from === undefined ? undefined : await desk.manifest(query.from);
    if (!manifest || (query.from !== undefined && !from)) throw notFound("one of these images");
    const bill = await options.wanBill(from, { id: params.image, manifest });
    if (!bill) throw conflict("index-missing", "the chunk index of the image is not in the store");
    return { from: query.from ?? null, to: params.image, ...bill };
  });
  server.person(releaseApi.listReleases, "read", async ({ params }) => ({
    items: await desk.releases(params.channel),
    metadataVersion: (await desk.channel(params.channel))?.version ?? 0,
  }));
  server.person(releaseApi.channelMetadata, "read", async ({ params }) => {
    const stored = await desk.channel(params.channel);
    return { metadata: stored?.metadata ?? null, version: stored?.version ?? 0 };
  });
  server.person(releaseApi.putChannel, "release", ({ params, body }) =>
    putChannel(options, params.channel, body.metadata),
  );
}

/** All content that the manifest binds must be in the store before. */
export async function registerImage(
  { desk, shelf, now }: Pick<ReleaseOptions, "desk" | "shelf" | "now">,
  digest: Sha256,
): Promise<ImageView> {
  const text = await shelf.read("manifest", digest, manifestBytesMax);
  if (text === undefined) throw notFound(`the manifest ${digest} in the content store`);
  const parsed = Manifest.safeParse(JSON.parse(text));
  if (!parsed.success)
    throw new RequestError(422, "manifest-invalid", "the manifest does not fit its schema");
  const manifest = parsed.data;
  const bound: [string, string][] = [
    ["index", manifest.chunkIndexRoot],
    ...[manifest.lock, manifest.sbom, manifest.packages, manifest.provenance].map(
      (sha256): [string, string] => ["file", sha256],
    ),
  ];
  for (const [kind, sha256] of bound) {
    if (!(await shelf.has(kind, sha256)))
      throw conflict(
        "content-missing",
        `the store lacks ${kind}/${sha256}, which the manifest binds`,
      );
  }
  const id = digest as string as ImageId;
  await desk.addImage({ id, manifest, manifestBytes: Buffer.byteLength(text) }, now());
  const [view] = await desk.images([id]);
  if (!view) throw notFound(`the image ${id}`);
  return view;
}

async function putChannel(options: ReleaseOptions, channel: ChannelName, metadata: string) {
  const { desk, root, now } = options;
  const stored = await desk.channel(channel);
  const trusted = trustReleases(root, channel, metadata, (stored?.version ?? 0) + 1);
  if (trusted.expiresAt <= now())
    throw new RequestError(422, "metadata-expired", "this release metadata has expired already");
  const releases = trusted.releases.map(({ name, semver, imageId, custom }) => ({
    name,
    semver,
    channel,
    imageId,
    counter: custom.counter,
    minimum: custom.minimum,
    step: custom.step,
    withdrawn: custom.withdrawn ?? null,
  }));
  const ids = releases.map((release) => release.imageId);
  const known = new Set((await desk.images(ids)).map((image) => image.id));
  const unknown = releases.find((release) => !known.has(release.imageId) && !release.withdrawn);
  if (unknown)
    throw conflict(
      "image-missing",
      `${unknown.name}@${unknown.semver} names an image that is not registered`,
    );
  const { version } = trusted;
  const sha256 = sha256Hex(metadata);
  const written = await desk.putChannel({
    channel,
    version,
    metadata,
    sha256,
    releases,
    now: now(),
  });
  if (!written)
    throw conflict("metadata-outrun", "a newer version of this channel was published meanwhile");
  options.wakeDesired();
  return { channel, version, releases: releases.length };
}
