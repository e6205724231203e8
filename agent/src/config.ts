// Settings of the agent's roles, read once from a file that people write: unknown members are errors.
import { readFile } from "node:fs/promises";
import { FleetError } from "@drover/shared/errors";
import { z } from "zod";
import { FaultPlan } from "./hollow/fault-plan.ts";

export class SettingsError extends FleetError {
  readonly code = "settings-invalid";
}

const ip = z.ipv4();
const fileName = z.string().min(1).max(200);

const Reconnect = z
  .strictObject({
    waitMs: z.number().int().min(10).default(2_000),
    jitterMs: z.number().int().min(0).default(45_000),
  })
  .prefault({});

/** Boot services on the site LAN; without them the agent serves only nodes that are installed. */
export const LanSettings = z.strictObject({
  mode: z.enum(["listen", "serve"]).default("serve"),
  subnet: z.strictObject({ networkIp: ip, prefixBits: z.number().int().min(8).max(30) }),
  pool: z.strictObject({ firstIp: ip, lastIp: ip }),
  routerIps: z.array(ip).max(8).default([]),
  dnsIps: z.array(ip).max(8).default([]),
  reservations: z
    .array(z.strictObject({ mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/), ip }))
    .max(2000)
    .default([]),
  tftpPort: z.number().int().min(0).max(65_535).default(69),
  whenForeign: z.enum(["refuse", "serve-anyway"]).default("refuse"),
  probeWaitMs: z.number().int().min(0).max(60_000).default(2_000),
  /** Folder with loaders and the installer's kernel and initrd. */
  filesFolder: z.string().min(1),
  loaders: z.strictObject({
    bios: fileName.optional(),
    uefiX64: fileName.optional(),
    uefiArm64: fileName.optional(),
    uefiLocal: fileName.optional(),
  }),
  installer: z.strictObject({
    kernel: fileName,
    initrds: z.array(fileName).min(1).max(8),
    args: z.array(z.string().max(200)).max(40).default([]),
  }),
});
export type LanSettings = z.infer<typeof LanSettings>;

export const SiteSettings = z.strictObject({
  dataFolder: z.string().min(1),
  /** Needed once; afterwards the data folder knows who the site is. */
  enrolment: z.string().optional(),
  /** Address of the node API (and of boot HTTP) on the site LAN. */
  listen: z
    .strictObject({
      ip: ip.default("0.0.0.0"),
      port: z.number().int().min(0).max(65_535).default(8040),
    })
    .prefault({}),
  /** IANA name of the site's time zone; windows are judged in it. Left out: that of this computer. */
  timeZone: z.string().max(60).optional(),
  reconnect: Reconnect,
  lan: LanSettings.optional(),
});
export type SiteSettings = z.infer<typeof SiteSettings>;

export const HollowSettings = z.strictObject({
  dataFolder: z.string().min(1),
  /** One enrolment string per hollow site. */
  enrolments: z.array(z.string()).max(20_000).default([]),
  faults: z.array(FaultPlan).max(100).default([]),
  bootMs: z.number().int().min(1).max(600_000).default(5_000),
  tickMs: z.number().int().min(20).max(60_000).default(1_000),
  timeZone: z.string().max(60).default("UTC"),
  reconnect: Reconnect,
});
export type HollowSettings = z.infer<typeof HollowSettings>;

/** Reads settings from a JSON file; throws {@link SettingsError} with one sentence per mistake. */
export async function readSettings<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.infer<Schema>> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new SettingsError(`reading the settings in ${path} failed`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new SettingsError(`${path} has mistakes: ${z.prettifyError(parsed.error)}`);
  return parsed.data as z.infer<Schema>;
}
