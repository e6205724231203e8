// A site played by the test: enrols with its own nkey, proves itself, and speaks on the bus with its JWT.
import { agentApi, challengeText } from "@drover/shared/api/agent-api";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { readEnrolment } from "@drover/shared/enrolment";
import type { SiteId } from "@drover/shared/ids";
import { ownVersions, readMessage, writeMessage } from "@drover/shared/messages/envelope";
import { GrantReply, type GrantRequest } from "@drover/shared/messages/grant";
import { AckBody, type Report } from "@drover/shared/messages/report";
import { inboxPrefix, subjects } from "@drover/shared/subjects";
import { generateNkey, type Nkey, signWithNkey } from "@drover/shared/trust/nkey";
import { connect, jwtAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import type { TestControlPlane } from "./with-control-plane.ts";

export const outboxId = "o-00000001" as const;

export interface ScriptedSite {
  readonly id: SiteId;
  readonly nkey: Nkey;
  readonly jwt: string;
  readonly bearer: string;
  readonly busUrls: readonly string[];
}

/** Registers a site as a person would and enrols it as an agent would. */
export async function enrolSite(centre: TestControlPlane, name: string): Promise<ScriptedSite> {
  const admin = centre.sender(centre.adminToken);
  const made = await call(admin, fleetApi.createSite, { body: { name, region: "emea/de" } });
  const { token } = readEnrolment(made.enrolment);
  const nkey = generateNkey("user");
  const agentVersion = "0.1.0";
  await call(centre.sender(), agentApi.enrol, { body: { token, nkey: nkey.public, agentVersion } });
  return openSession(centre, made.site, nkey);
}

export async function openSession(
  centre: TestControlPlane,
  id: SiteId,
  nkey: Nkey,
): Promise<ScriptedSite> {
  const anyone = centre.sender();
  const { challenge } = await call(anyone, agentApi.challenge, { body: { site: id } });
  const signed = signWithNkey(nkey, Buffer.from(challengeText(challenge, id)));
  const signature = Buffer.from(signed).toString("base64url");
  const session = await call(anyone, agentApi.session, {
    body: { site: id, challenge, signature },
  });
  const { jwt, bearer, busUrls } = session;
  return { id, nkey, jwt, bearer, busUrls };
}

export function connectSite(
  centre: TestControlPlane,
  site: ScriptedSite,
  prefix = inboxPrefix(site.id),
): Promise<NatsConnection> {
  return connect({
    servers: [...site.busUrls],
    inboxPrefix: prefix,
    authenticator: jwtAuthenticator(site.jwt, new TextEncoder().encode(site.nkey.seed)),
    tls: { ca: centre.caPem },
    reconnect: false,
  });
}

export function reportBytes(site: SiteId, seq: number, report: Report, generation = 0): Uint8Array {
  const body = { outboxId, generation, report };
  return writeMessage({ kind: "report", site, seq, at: Date.now(), body });
}

/** Sends reports and waits for the centre's acknowledgement of the last one. */
export async function sendReports(
  bus: NatsConnection,
  site: SiteId,
  reports: readonly Uint8Array[],
  upToSeq: number,
): Promise<void> {
  const acks = bus.subscribe(subjects.ack(site));
  await bus.flush();
  for (const bytes of reports) bus.publish(subjects.report(site, "node-state"), bytes);
  for await (const message of acks) {
    const reading = readMessage(message.data, { kind: "ack", body: AckBody });
    if (reading.ok && reading.body.upToSeq >= upToSeq) break;
  }
}

export async function askGrant(
  bus: NatsConnection,
  site: SiteId,
  request: GrantRequest,
): Promise<GrantReply> {
  const message = { kind: "grant-request", site, seq: 0, at: Date.now(), body: request };
  const answer = await bus.request(subjects.grant(site), writeMessage(message), {
    timeout: 15_000,
  });
  const reading = readMessage(answer.data, { kind: "grant-reply", body: GrantReply });
  if (!reading.ok) throw new Error(`the grant reply can't be read: ${reading.detail}`);
  return reading.body;
}

export function beatBytes(site: SiteId, generation: number): Uint8Array {
  const body = { generation, outboxId, backlog: 0, agentVersion: "0.1.0", accepts: ownVersions };
  return writeMessage({ kind: "beat", site, seq: 0, at: Date.now(), body });
}
