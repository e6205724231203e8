// A release: an image offered as name@semver on a channel, with the counter that orders releases
// for downgrade protection. Everything here is release metadata, never part of the image.
import semver from "semver";
import { z } from "zod";
import { ChannelName, ImageId } from "../ids.ts";

export const ReleaseName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/);
export const Semver = z
  .string()
  .max(80)
  .refine((text) => semver.valid(text) === text, "must be an exact semantic version such as 1.2.0");

/** Orders releases of one name; a node never goes below its remembered minimum. */
export const ReleaseCounter = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31);

/** What release metadata says about one release beside its image (TUF target `custom`). */
export const ReleaseCustom = z.object({
  counter: ReleaseCounter,
  /** Lowest counter a node may run once this release is known; 0 = no minimum. */
  minimum: z.number().int().min(0).default(0),
  /** True when this release may not be skipped on the way up. */
  step: z.boolean().default(false),
  /** Set when the release is known bad; new assignments to it are refused. */
  withdrawn: z.string().max(500).optional(),
});
export type ReleaseCustom = z.infer<typeof ReleaseCustom>;

/** Points at one release exactly: what desired state, grants and reports carry. */
export const ReleaseRef = z.object({
  name: ReleaseName,
  semver: Semver,
  channel: ChannelName,
  counter: ReleaseCounter,
  imageId: ImageId,
});
export type ReleaseRef = z.infer<typeof ReleaseRef>;

/** Path of a release in TUF metadata: `<name>/<semver>`. */
export function releasePath(release: { name: string; semver: string }): string {
  return `${release.name}/${release.semver}`;
}

/** `name@semver`, for people. */
export function releaseLabel(release: { name: string; semver: string }): string {
  return `${release.name}@${release.semver}`;
}

/** Reads `name@semver`; undefined when it is not one. */
export function parseReleaseLabel(text: string): { name: string; semver: string } | undefined {
  const [name, version, ...rest] = text.split("@");
  if (
    rest.length > 0 ||
    !ReleaseName.safeParse(name).success ||
    !Semver.safeParse(version).success
  ) {
    return undefined;
  }
  return { name: name ?? "", semver: version ?? "" };
}
