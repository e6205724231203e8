// Images, channels with their signed metadata, and root metadata. A channel's releases are replaced as a
// whole, together with the text they were read from.
import type { ImageView } from "@drover/shared/api/release-api";
import type { ChannelName, ImageId } from "@drover/shared/ids";
import { imageBytes, type Manifest } from "@drover/shared/image/manifest";
import type { ReleaseRef } from "@drover/shared/release/release";
import { asJson, type Sql, type Transaction } from "./database.ts";
import { markDirty } from "./dirty-marks.ts";

export interface ReleaseRow extends ReleaseRef {
  readonly minimum: number;
  readonly step: boolean;
  readonly withdrawn: string | null;
}

export interface ChannelWrite {
  readonly channel: ChannelName;
  readonly version: number;
  readonly metadata: string;
  readonly sha256: string;
  readonly releases: readonly ReleaseRow[];
  readonly now: number;
}

export function releaseRows(sql: Sql) {
  return {
    /** False when the image is there already. */
    async addImage(
      image: { id: ImageId; manifest: Manifest; manifestBytes: number },
      now: number,
    ): Promise<boolean> {
      const { id, manifest, manifestBytes } = image;
      const rows = await sql`
        insert into images (id, name, architecture, size_bytes, manifest, manifest_bytes, created_at)
        values (${id}, ${manifest.name}, ${manifest.architecture}, ${imageBytes(manifest)},
          ${asJson(sql, manifest)}, ${manifestBytes}, ${now}) on conflict (id) do nothing`;
      return rows.count > 0;
    },
    images: (ids?: readonly ImageId[]): Promise<ImageView[]> => sql<ImageView[]>`
      select id, name, architecture, size_bytes, manifest_bytes, created_at,
        coalesce((select jsonb_agg(jsonb_build_object('name', name, 'semver', semver,
            'channel', channel, 'counter', counter, 'imageId', image_id) order by channel, semver)
          from releases where releases.image_id = images.id), '[]'::jsonb) as releases
      from images ${ids ? sql`where id = any(${[...ids]}::text[])` : sql``}
      order by created_at desc limit 500`,
    async manifest(id: ImageId): Promise<Manifest | undefined> {
      const rows = await sql<
        { manifest: Manifest }[]
      >`select manifest from images where id = ${id}`;
      return rows[0]?.manifest;
    },
    releases: (channel: ChannelName) => sql<ReleaseRow[]>`
      select name, semver, channel, counter, image_id, minimum, step, withdrawn from releases
      where channel = ${channel} order by name, counter desc`,
    /** Without a channel the release must be on one only by content: the newest counter wins. */
    async findRelease(
      label: { name: string; semver: string },
      channel?: string,
    ): Promise<ReleaseRef | undefined> {
      const rows = await sql<ReleaseRef[]>`
        select name, semver, channel, counter, image_id from releases
        where name = ${label.name} and semver = ${label.semver} and withdrawn is null
          ${channel === undefined ? sql`` : sql`and channel = ${channel}`}
        order by channel = 'stable' desc, channel = 'candidate' desc, channel limit 1`;
      return rows[0];
    },
    async channel(name: string): Promise<{ version: number; metadata: string } | undefined> {
      const rows = await sql<{ version: number; metadata: string }[]>`
        select version, metadata from channels where name = ${name}`;
      return rows[0];
    },
    /** False when a newer or equal version is there already. */
    putChannel: (write: ChannelWrite) =>
      sql.begin((transaction) => putChannel(transaction, write)) as Promise<boolean>,
    async root(version: number): Promise<string | undefined> {
      const rows = await sql<{ metadata: string }[]>`
        select metadata from roots where version = ${version}`;
      return rows[0]?.metadata;
    },
    async addRoot(version: number, metadata: string): Promise<void> {
      await sql`insert into roots (version, metadata) values (${version}, ${metadata})
        on conflict (version) do nothing`;
    },
  };
}

async function putChannel(transaction: Transaction, write: ChannelWrite): Promise<boolean> {
  const { channel, version, metadata, sha256, releases, now } = write;
  const rows = await transaction`
    insert into channels (name, version, metadata, sha256, published_at)
    values (${channel}, ${version}, ${metadata}, ${sha256}, ${now})
    on conflict (name) do update set version = excluded.version, metadata = excluded.metadata,
      sha256 = excluded.sha256, published_at = excluded.published_at
    where channels.version < excluded.version`;
  if (rows.count === 0) return false;
  await transaction`delete from releases where channel = ${channel}`;
  await transaction`
    insert into releases (channel, name, semver, counter, image_id, minimum, step, withdrawn)
    select ${channel}, given.name, given.semver, given.counter, given.image_id, given.minimum,
      given.step, given.withdrawn
    from unnest(${releases.map((each) => each.name)}::text[],
      ${releases.map((each) => each.semver)}::text[],
      ${releases.map((each) => each.counter)}::bigint[],
      ${releases.map((each) => each.imageId)}::text[],
      ${releases.map((each) => each.minimum)}::int[],
      ${releases.map((each) => String(each.step))}::text[]::boolean[],
      ${releases.map((each) => each.withdrawn)}::text[])
      as given (name, semver, counter, image_id, minimum, step, withdrawn)`;
  // Every document points at the newest metadata.
  const sites = await transaction<{ id: never }[]>`
    select id from sites where status = 'active'`;
  await markDirty(
    transaction,
    sites.map((row) => row.id),
  );
  return true;
}
