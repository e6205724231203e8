// Endpoints of site agents: enrolment, challenge and session, and the HTTPS way for all that the bus carries.
import { agentApi, challengeText } from "@drover/shared/api/agent-api";
import type { SiteId } from "@drover/shared/ids";
import type { DesiredBody } from "@drover/shared/messages/desired";
import type { Envelope } from "@drover/shared/messages/envelope";
import type { GrantReply } from "@drover/shared/messages/grant";
import type { AckBody } from "@drover/shared/messages/report";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import { NkeyError, verifyUserNkey } from "@drover/shared/trust/nkey";
import type { Context } from "hono";
import { notFound, RequestError } from "./problem.ts";
import type { Server } from "./serve.ts";

export interface AgentIdentities {
  identity(site: SiteId): Promise<{ status: string; nkey: string | null } | undefined>;
  enrol(input: {
    tokenHash: string;
    nkey: string;
    agentVersion: string;
    now: number;
  }): Promise<SiteId | undefined>;
  desiredBody(site: SiteId): Promise<DesiredBody | undefined>;
  /** Notes that the site spoke just now. */
  heard(site: SiteId, now: number): Promise<void>;
}

export interface AgentSessions {
  challenge(site: SiteId, now: number): { challenge: string; expiresAt: number };
  isChallenge(site: SiteId, challenge: string, now: number): boolean;
  bearer(site: SiteId, nkey: string, now: number): { bearer: string; expiresAt: number };
}

/** Release trust as sites read it. */
export interface MetadataTexts {
  root(version: number): Promise<string | undefined>;
  releases(channel: string): Promise<string | undefined>;
}

export interface AgentOptions {
  readonly identities: AgentIdentities;
  readonly sessions: AgentSessions;
  readonly metadata: MetadataTexts;
  /** JWT for the bus. */
  issueJwt(site: SiteId, nkey: string): { jwt: string; expiresAt: number };
  ingestReports(site: SiteId, messages: readonly Envelope[]): Promise<readonly AckBody[]>;
  askGrant(site: SiteId, message: Envelope): Promise<GrantReply>;
  readonly rootText: string;
  readonly trustFile: DsseEnvelope;
  /** Bus and content on the host by which the caller reached us, unless configured otherwise. */
  busUrls(context: Context): readonly string[];
  readonly caPem: string;
  contentUrls(context: Context): readonly string[];
  hashSecret(secret: string): string;
  /** Throws when the caller tried too often. */
  limitTries(context: Context): void;
  readonly now: () => number;
}

export function serveAgents(server: Server, options: AgentOptions): void {
  serveIdentity(server, options);
  const { identities, metadata } = options;
  server.site(agentApi.desired, async (_call, site) => {
    await identities.heard(site, options.now());
    const body = await identities.desiredBody(site);
    // Never read as "nothing desired": the agent keeps what it has.
    if (!body) throw notFound("a desired document of this site");
    return body;
  });
  server.site(agentApi.reports, async ({ body }, site) => {
    const foreign = body.messages.find((message) => message.site !== site);
    if (foreign)
      throw new RequestError(422, "wrong-site", "a message names another site than the caller");
    await identities.heard(site, options.now());
    return { acks: [...(await options.ingestReports(site, body.messages))] };
  });
  server.site(agentApi.grant, ({ body }, site) => {
    if (body.site !== site)
      throw new RequestError(422, "wrong-site", "the message names another site than the caller");
    return options.askGrant(site, body);
  });
  server.anyone(agentApi.root, async ({ params }) => {
    const text = await metadata.root(params.version);
    if (text === undefined) throw notFound(`root metadata version ${params.version}`);
    return { metadata: text };
  });
  server.anyone(agentApi.releases, async ({ params }) => {
    const text = await metadata.releases(params.channel);
    if (text === undefined) throw notFound(`release metadata of channel ${params.channel}`);
    return { metadata: text };
  });
}

function serveIdentity(server: Server, options: AgentOptions): void {
  const { identities, sessions, now } = options;
  const connection = (site: SiteId, context: Context) => ({
    site,
    busUrls: [...options.busUrls(context)],
    caPem: options.caPem,
    contentUrls: [...options.contentUrls(context)],
  });
  server.anyone(agentApi.enrol, async ({ body, context }) => {
    options.limitTries(context);
    const { token, nkey, agentVersion } = body;
    const tokenHash = options.hashSecret(token);
    const site = await identities.enrol({ tokenHash, nkey, agentVersion, now: now() });
    if (site === undefined)
      throw new RequestError(
        403,
        "enrolment-refused",
        "this enrolment string was used, has expired or was replaced: ask for a new one",
      );
    return {
      ...connection(site, context),
      root: options.rootText,
      trustFile: options.trustFile,
    };
  });
  // Answered for unknown sites as well, so that nobody can find out which exist.
  server.anyone(agentApi.challenge, async ({ body }) => sessions.challenge(body.site, now()));
  server.anyone(agentApi.session, async ({ body, context }) => {
    const { site, challenge, signature } = body;
    const identity = await identities.identity(site);
    const nkey = identity?.status === "active" ? identity.nkey : null;
    const fits =
      nkey !== null &&
      nkey !== undefined &&
      sessions.isChallenge(site, challenge, now()) &&
      isSigned(nkey, challengeText(challenge, site), signature);
    if (!fits)
      throw new RequestError(403, "challenge-refused", "the signed challenge was not accepted");
    const bearer = sessions.bearer(site, nkey, now());
    const jwt = options.issueJwt(site, nkey);
    return {
      ...connection(site, context),
      bearer: bearer.bearer,
      bearerExpiresAt: bearer.expiresAt,
      jwt: jwt.jwt,
      jwtExpiresAt: jwt.expiresAt,
    };
  });
}

function isSigned(nkey: string, text: string, signature: string): boolean {
  try {
    return verifyUserNkey(nkey, Buffer.from(text), Buffer.from(signature, "base64"));
  } catch (error) {
    if (error instanceof NkeyError) return false;
    throw error;
  }
}
