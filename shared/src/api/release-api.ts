// Endpoints for builds, images, release metadata and content.
import { z } from "@hono/zod-openapi";
import { BuildId, ChannelName, EpochMs, ImageId, Sha256 } from "../ids.ts";
import { ReleaseRef } from "../release/release.ts";
import { endpoint } from "./route.ts";

export const BuildView = z.object({
  id: BuildId,
  recipe: z.string(),
  state: z.enum(["queued", "running", "succeeded", "failed", "cancelled"]),
  /** Last line of progress, for people. */
  progress: z.string(),
  imageId: ImageId.nullable(),
  createdAt: EpochMs,
  startedAt: EpochMs.nullable(),
  endedAt: EpochMs.nullable(),
  because: z.array(z.string()),
});
export type BuildView = z.infer<typeof BuildView>;

export const ImageView = z.object({
  id: ImageId,
  name: z.string(),
  architecture: z.string(),
  sizeBytes: z.number().int(),
  manifestBytes: z.number().int(),
  createdAt: EpochMs,
  releases: z.array(ReleaseRef),
});
export type ImageView = z.infer<typeof ImageView>;

export const ReleaseView = ReleaseRef.extend({
  minimum: z.number().int(),
  step: z.boolean(),
  withdrawn: z.string().nullable(),
});

/** WAN bytes a site on `from` needs to reach the image: the exact plan. */
export const WanBill = z.object({
  from: ImageId.nullable(),
  to: ImageId,
  tier: z.enum(["delta", "chunks", "full"]),
  bytes: z.number().int(),
  fullBytes: z.number().int(),
});
export type WanBill = z.infer<typeof WanBill>;

const contentKind = z.string().regex(/^[a-z][a-z-]{0,30}$/);

export const releaseApi = {
  listBuilds: endpoint({
    method: "get",
    path: "/api/v1/builds",
    summary: "builds, newest first",
    caller: "person",
    result: z.object({ items: z.array(BuildView) }),
  }),
  startBuild: endpoint({
    method: "post",
    path: "/api/v1/builds",
    summary: "queue a build of a recipe",
    caller: "person",
    body: z.strictObject({ recipe: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/) }),
    result: BuildView,
  }),
  getBuild: endpoint({
    method: "get",
    path: "/api/v1/builds/{build}",
    summary: "one build",
    caller: "person",
    params: z.object({ build: BuildId }),
    result: BuildView,
  }),
  buildLog: endpoint({
    method: "get",
    path: "/api/v1/builds/{build}/log",
    summary: "log lines of a build",
    caller: "person",
    params: z.object({ build: BuildId }),
    query: z.object({ after: z.coerce.number().int().min(0).default(0) }),
    result: z.object({ lines: z.array(z.string()), next: z.number().int() }),
  }),
  cancelBuild: endpoint({
    method: "post",
    path: "/api/v1/builds/{build}/cancel",
    summary: "cancel a build",
    caller: "person",
    params: z.object({ build: BuildId }),
    result: BuildView,
  }),
  listImages: endpoint({
    method: "get",
    path: "/api/v1/images",
    summary: "images, newest first",
    caller: "person",
    result: z.object({ items: z.array(ImageView) }),
  }),
  /** All content the manifest binds must have been put before. */
  registerImage: endpoint({
    method: "post",
    path: "/api/v1/images",
    summary: "register an image by its manifest",
    caller: "person",
    body: z.strictObject({ manifest: Sha256 }),
    result: ImageView,
  }),
  wanBill: endpoint({
    method: "get",
    path: "/api/v1/images/{image}/wan-bill",
    summary: "exact bytes a site needs to reach the image",
    caller: "person",
    params: z.object({ image: ImageId }),
    query: z.object({ from: ImageId.optional() }),
    result: WanBill,
  }),
  contentExists: endpoint({
    method: "post",
    path: "/api/v1/content-missing",
    summary: "which of these objects the content store lacks",
    caller: "person",
    body: z.strictObject({
      objects: z.array(z.strictObject({ kind: contentKind, sha256: Sha256 })).max(5000),
    }),
    result: z.object({ missing: z.array(z.object({ kind: z.string(), sha256: z.string() })) }),
  }),
  listReleases: endpoint({
    method: "get",
    path: "/api/v1/channels/{channel}/releases",
    summary: "releases of a channel, newest first",
    caller: "person",
    params: z.object({ channel: ChannelName }),
    result: z.object({ items: z.array(ReleaseView), metadataVersion: z.number().int() }),
  }),
  /** Promotion and withdrawal are both a new signed version of the channel's metadata; no site changes by it. */
  putChannel: endpoint({
    method: "put",
    path: "/api/v1/channels/{channel}",
    summary: "publish signed release metadata of a channel",
    caller: "person",
    params: z.object({ channel: ChannelName }),
    body: z.strictObject({ metadata: z.string().max(4 * 1024 * 1024) }),
    result: z.object({
      channel: ChannelName,
      version: z.number().int(),
      releases: z.number().int(),
    }),
  }),
  channelMetadata: endpoint({
    method: "get",
    path: "/api/v1/channels/{channel}/metadata",
    summary: "current signed metadata text of a channel",
    caller: "person",
    params: z.object({ channel: ChannelName }),
    result: z.object({ metadata: z.string().nullable(), version: z.number().int() }),
  }),
} as const;
