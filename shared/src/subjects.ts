// The only file that spells a bus subject or stream name.
import type { SiteId } from "./ids.ts";
import type { ReportKind } from "./messages/report.ts";

export const streams = { desired: "DROVER_DESIRED", report: "DROVER_REPORT" } as const;
/** Durable pull consumer that drains reports. */
export const reportConsumer = "ingest";
/** Queue group of the replicas that answer grant requests. */
export const grantQueue = "grants";

export const subjects = {
  desired: (site: SiteId) => `drover.desired.${site}`,
  push: (site: SiteId) => `drover.push.${site}`,
  report: (site: SiteId, kind: ReportKind) => `drover.report.${site}.${kind}`,
  ack: (site: SiteId) => `drover.ack.${site}`,
  beat: (site: SiteId) => `drover.beat.${site}`,
  grant: (site: SiteId) => `drover.grant.${site}`,
  /** Last stored desired message of one site, by JetStream direct get. */
  desiredGet: (site: SiteId) => `$JS.API.DIRECT.GET.${streams.desired}.drover.desired.${site}`,
} as const;

/** Subjects the centre listens on for every site. */
export const wildcards = {
  desired: "drover.desired.*",
  push: "drover.push.{{wildcard(1)}}",
  report: "drover.report.*.*",
  beat: "drover.beat.*",
  grant: "drover.grant.*",
} as const;

/** Inbox prefix of a site, so that no site can read another's replies. */
export const inboxPrefix = (site: SiteId): string => `_INBOX.${site}`;

/** Permission template of the scoped signing key; the server fills in the JWT's name, the site id. */
export const sitePermissions = {
  pub: {
    allow: [
      "drover.report.{{name()}}.*",
      "drover.beat.{{name()}}",
      "drover.grant.{{name()}}",
      `$JS.API.DIRECT.GET.${streams.desired}.drover.desired.{{name()}}`,
    ],
  },
  sub: { allow: ["drover.push.{{name()}}", "drover.ack.{{name()}}", "_INBOX.{{name()}}.>"] },
} as const;

/** The site id in a subject of ours (`drover.<what>.<site>…`), or undefined. */
export function siteOfSubject(subject: string): string | undefined {
  const parts = subject.split(".");
  return parts[0] === "drover" ? parts[2] : undefined;
}
