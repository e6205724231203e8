// Answers grant requests while it holds the lease: a short linger makes a batch, one transaction
// decides it, and only what was committed is signed and sent.
import type { Clock } from "@drover/shared/clock";
import { GrantId, SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { readMessage } from "@drover/shared/messages/envelope";
import {
  type GrantDocument,
  type GrantReply,
  GrantRequest,
  grantValidMs,
} from "@drover/shared/messages/grant";
import { siteOfSubject } from "@drover/shared/subjects";
import { decideGrants } from "../core/grant/decide.ts";
import type { GrantDecision, GrantFacts, PendingGrantRequest } from "../core/grant/facts.ts";
import type { GrantMessage, GrantSource, IdSource, Sealer } from "./bus-ports.ts";
import { forEach } from "./each.ts";
import { type Leading, lead } from "./lead.ts";
import { localTimeIn } from "./local-time.ts";
import type { GrantStore, LeaseStore } from "./ports.ts";

/** Kind of the envelope around a grant request. */
export const grantRequestKind = "grant-request";
const batchMax = 500;
const waitMs = 2_000;
const lingerMs = 25;

export interface GrantLoopPorts extends Leading {
  readonly store: LeaseStore & GrantStore;
  readonly source: GrantSource;
  readonly sealer: Sealer;
  readonly ids: IdSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly wakeRollouts: () => void;
}

export async function answerGrants(
  ports: GrantLoopPorts,
  signal: AbortSignal,
): Promise<{ again: boolean }> {
  const fence = await lead(ports, "grants");
  if (fence === null) {
    ports.source.stopListening();
    return { again: false };
  }
  const request = { max: batchMax, waitMs, lingerMs, signal };
  const messages = await ports.source.nextGrantRequests(request);
  if (messages.length > 0) await answer(ports, messages, fence.term);
  return { again: true };
}

interface Waiting {
  readonly pending: PendingGrantRequest;
  readonly message: GrantMessage;
}

async function answer(
  ports: GrantLoopPorts,
  messages: readonly GrantMessage[],
  term: number,
): Promise<void> {
  const waiting = messages.flatMap((message, index) => readRequest(message, `${index}`) ?? []);
  if (waiting.length === 0) return;
  const now = ports.clock.now();
  const requests = waiting.map(({ pending }) => pending);
  const context = {
    now,
    localTime: (timeZone: string) => localTimeIn(timeZone, now),
    newId: () => GrantId.parse(`g-${ports.ids.idTail()}`),
  };
  const decide = (facts: GrantFacts) => decideGrants(facts, requests, context);
  const decisions = await ports.store.decideGrants({ term, requests, now }, decide);
  const byKey = new Map(decisions.map((decision) => [decision.key, decision]));
  await forEach(
    waiting,
    async ({ pending, message }) => {
      const decision = byKey.get(pending.key);
      if (decision !== undefined) message.respond(await replyOf(ports.sealer, pending, decision));
    },
    { log: ports.log, fields: ({ pending }) => ({ site: pending.site }) },
  );
  if (decisions.some(({ outcome }) => outcome === "granted")) ports.wakeRollouts();
}

/** Answers what cannot be read at once; undefined then. */
function readRequest(message: GrantMessage, key: string): Waiting | undefined {
  const site = SiteId.safeParse(siteOfSubject(message.subject));
  const reading = readMessage(message.bytes, { kind: grantRequestKind, body: GrantRequest });
  const refuse = (reason: string): undefined => {
    message.respond({ outcome: "denied", retryAfterMs: 300_000, because: [reason.slice(0, 500)] });
  };
  if (!site.success) return refuse("the subject names no site");
  if (!reading.ok) return refuse(`${reading.reason}: ${reading.detail}`);
  if (reading.envelope.site !== site.data) return refuse("written for another site");
  const { receivedAt } = message;
  return { pending: { key, site: site.data, request: reading.body, receivedAt }, message };
}

async function replyOf(
  sealer: Sealer,
  pending: PendingGrantRequest,
  decision: GrantDecision,
): Promise<GrantReply> {
  const because = decision.because.map((reason) => reason.slice(0, 500));
  const [first] = decision.outcome === "granted" ? decision.rows : [];
  if (decision.outcome === "denied" || first === undefined) {
    const retryAfterMs = decision.outcome === "denied" ? decision.retryAfterMs : 0;
    return { outcome: "denied", retryAfterMs, because };
  }
  const document: GrantDocument = {
    v: 1,
    id: first.id,
    site: pending.site,
    rolloutId: first.rolloutId,
    rolloutEpoch: first.rolloutEpoch,
    imageId: first.imageId,
    nodes: decision.rows.map(({ node, nonce }) => ({ node, nonce })),
    validMs: grantValidMs,
    issuedAt: first.grantedAt,
  };
  return { outcome: "granted", document: await sealer.sealGrant(document), because };
}
