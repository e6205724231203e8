// Endpoints for site agents: enrolment, nkey challenge, and the HTTPS way for everything the bus carries.
import { z } from "@hono/zod-openapi";
import { EpochMs, SiteId } from "../ids.ts";
import { DesiredBody } from "../messages/desired.ts";
import { Envelope } from "../messages/envelope.ts";
import { GrantReply } from "../messages/grant.ts";
import { AckBody } from "../messages/report.ts";
import { DsseEnvelope } from "../trust/dsse.ts";
import { endpoint } from "./route.ts";

const publicNkey = z.string().regex(/^U[A-Z2-7]{55}$/);

/** What a site needs to reach bus and content. */
export const Connection = z.object({
  site: SiteId,
  /** Bus URLs such as `tls://centre:4222`. */
  busUrls: z.array(z.string().max(300)).min(1).max(10),
  /** PEM of the certificate authority of bus and API. */
  caPem: z.string().max(20_000),
  contentUrls: z.array(z.string().max(300)).min(1).max(10),
});
export type Connection = z.infer<typeof Connection>;

/** What the signed challenge proves: who, when, and that it was meant for this centre. */
export const challengeText = (challenge: string, site: SiteId): string =>
  `drover-challenge:${site}:${challenge}`;

export const agentApi = {
  enrol: endpoint({
    method: "post",
    path: "/agent/v1/enrol",
    summary: "bind a new nkey to a site with a single-use token",
    caller: "anyone",
    body: z.object({
      token: z.string().min(16).max(200),
      nkey: publicNkey,
      agentVersion: z.string().max(40),
    }),
    result: Connection.extend({ root: z.string(), trustFile: DsseEnvelope }),
  }),
  challenge: endpoint({
    method: "post",
    path: "/agent/v1/challenge",
    summary: "a challenge to sign",
    caller: "anyone",
    body: z.object({ site: SiteId }),
    result: z.object({ challenge: z.string(), expiresAt: EpochMs }),
  }),
  session: endpoint({
    method: "post",
    path: "/agent/v1/session",
    summary: "a bearer for HTTPS and a JWT for the bus, for a signed challenge",
    caller: "anyone",
    body: z.object({
      site: SiteId,
      challenge: z.string().max(200),
      signature: z.string().max(200),
    }),
    result: Connection.extend({
      bearer: z.string(),
      bearerExpiresAt: EpochMs,
      jwt: z.string(),
      jwtExpiresAt: EpochMs,
    }),
  }),
  desired: endpoint({
    method: "get",
    path: "/agent/v1/desired",
    summary: "desired state of the calling site",
    caller: "site",
    result: DesiredBody,
  }),
  reports: endpoint({
    method: "post",
    path: "/agent/v1/reports",
    summary: "reports by HTTPS, in order; acknowledged after commit",
    caller: "site",
    body: z.object({ messages: z.array(Envelope).min(1).max(500) }),
    result: z.object({ acks: z.array(AckBody) }),
  }),
  grant: endpoint({
    method: "post",
    path: "/agent/v1/grant",
    summary: "ask for a grant by HTTPS",
    caller: "site",
    body: Envelope,
    result: GrantReply,
  }),
  root: endpoint({
    method: "get",
    path: "/agent/v1/metadata/root/{version}",
    summary: "root metadata of a version",
    caller: "anyone",
    params: z.object({ version: z.coerce.number().int().min(1) }),
    result: z.object({ metadata: z.string() }),
  }),
  releases: endpoint({
    method: "get",
    path: "/agent/v1/metadata/releases/{channel}",
    summary: "newest release metadata of a channel",
    caller: "anyone",
    params: z.object({ channel: z.string().max(40) }),
    result: z.object({ metadata: z.string() }),
  }),
} as const;
