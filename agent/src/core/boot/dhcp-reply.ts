// What the site answers to one DHCP message, and why (RFC 2131 §4.3). A stranger is never answered,
// and a decision never hands out an address somebody else holds.
import { chooseAddress, linkOf, mayHold } from "./address-choice.ts";
import { type BootChoice, chooseBoot, type KnownClient, recognise } from "./boot-choice.ts";
import type { BootSite } from "./boot-site.ts";
import type { ChainloadView } from "./chainloads.ts";
import { type BootClient, describeClient } from "./client.ts";
import {
  buildNak,
  buildReply,
  nakAddress,
  replyAddress,
  type SendTo,
  serverIdFor,
} from "./dhcp-build.ts";
import { type DhcpMessage, option } from "./dhcp-message.ts";
import { messageTypeOf, readIp } from "./dhcp-options.ts";
import { isInSubnet, unspecifiedIp } from "./ipv4.ts";
import type { LeaseChange, LeaseView } from "./leases.ts";

export interface DhcpView {
  readonly site: BootSite;
  readonly leases: LeaseView;
  readonly chainloads: ChainloadView;
}

/** Something a person should be able to find in the boot timeline. */
export type DhcpEvent =
  | "offered"
  | "acknowledged"
  | "refused"
  | "informed"
  | "released"
  | "address-declined"
  | "foreign-server-chosen"
  | "pool-exhausted"
  | "chainload-held"
  | "ignored";

interface DecisionBase {
  readonly client: BootClient;
  readonly nodeId?: string;
  readonly event: DhcpEvent;
  readonly changes: readonly LeaseChange[];
  readonly because: readonly string[];
}

export type DhcpDecision =
  | (DecisionBase & {
      readonly kind: "reply";
      readonly reply: DhcpMessage;
      readonly sendTo: SendTo;
      /** The reply sends the client to a loader binary: to be recorded for the loop breaker. */
      readonly isChainload: boolean;
    })
  | (DecisionBase & { readonly kind: "silence" });

/** How long an offered address is kept for the client that has not asked for it yet. */
export const offerMs = 60_000;
/** A declined address is in use by somebody unknown. */
export const quarantineMs = 10 * 60_000;
/** ROM, iPXE and installer each release; resting keeps the pool from emptying within one boot. */
export const releaseRestMs = 2 * 60_000;

interface Context {
  readonly request: DhcpMessage;
  readonly view: DhcpView;
  readonly now: number;
  readonly client: BootClient;
  readonly known: KnownClient;
  readonly choice: BootChoice;
}

/** Decides one message. `now` is epoch ms. */
export function dhcpReply(request: DhcpMessage, view: DhcpView, now: number): DhcpDecision {
  const client = describeClient(request);
  const ignored = (because: string): DhcpDecision => ({
    kind: "silence",
    client,
    event: "ignored",
    changes: [],
    because: [because],
  });
  if (request.op !== "request") return ignored("the message is a reply, not a request");
  const type = messageTypeOf(request);
  if (type === undefined) return ignored("plain BOOTP is not served");
  if (view.site.mode === "listen") return ignored("the site only listens");
  const link = linkOf(request);
  if (link !== undefined && !isInSubnet(link, view.site.subnet))
    return ignored(`the request comes from ${link}, which is no subnet of this site`);
  const known = recognise(client, view.site, now);
  if (known === undefined) return ignored("the client is unknown and no discover window is open");
  const choice = chooseBoot(client, known, view.site, view.chainloads, now);
  const context = { request, view, now, client, known, choice };
  switch (type) {
    case "discover":
      return onDiscover(context);
    case "request":
      return onRequest(context);
    case "decline":
      return onDecline(context);
    case "release":
      return onRelease(context);
    case "inform":
      return onInform(context);
    default:
      return ignored(`a client does not send ${type}`);
  }
}

function onDiscover(context: Context): DhcpDecision {
  const { view, now, client, choice } = context;
  if (choice.kind === "silence") return quiet(context, choice.held ? "chainload-held" : "ignored");
  const found = chooseAddress(client, context.request, view.site, view.leases, now);
  if (found === undefined) return quiet(context, "pool-exhausted", [], "no address is free");
  const held = view.leases.byKey(client.key);
  // A live lease outlasts an offer: until the client takes the new address it may still use the old.
  const isBound = held?.state === "bound" && held.until > now;
  const lease = { ip: found.ip, key: client.key, state: "offered", until: now + offerMs } as const;
  const changes: LeaseChange[] = isBound ? [] : [{ kind: "put", lease }];
  return answer(context, "offer", found.ip, changes, found.because);
}

function onRequest(context: Context): DhcpDecision {
  const { request, view, client } = context;
  const serverId = readIp(request.options, option.serverId);
  const requested = readIp(request.options, option.requestedIp);
  if (
    serverId !== undefined &&
    serverId !== view.site.serverIp &&
    serverId !== serverIdFor(request, view.site)
  ) {
    const held = view.leases.byKey(client.key);
    const changes: LeaseChange[] = held?.state === "offered" ? [{ kind: "drop", ip: held.ip }] : [];
    return quiet(context, "foreign-server-chosen", changes, `the client chose server ${serverId}`);
  }
  if (context.choice.kind === "silence")
    return quiet(context, context.choice.held ? "chainload-held" : "ignored");
  const isRenewing = request.clientIp !== unspecifiedIp;
  const ip = isRenewing ? request.clientIp : requested;
  if (ip === undefined) return refuse(context, "the request names no address");
  if (!isInSubnet(ip, view.site.subnet)) return refuse(context, `${ip} is not on this network`);
  const held = view.leases.byKey(client.key);
  if (serverId === undefined && !isRenewing && held === undefined)
    return quiet(context, "ignored", [], `no record of the client's address ${ip}`);
  if (!mayHold(client, ip, view.site, view.leases, context.now))
    return refuse(context, `${ip} is not this client's to use`);
  return acknowledge(context, ip);
}

function acknowledge(context: Context, ip: string): DhcpDecision {
  const until = context.now + leaseMsFor(context);
  const lease = { ip, key: context.client.key, state: "bound", until } as const;
  return answer(context, "ack", ip, [{ kind: "put", lease }], `${ip} is leased`);
}

function onDecline(context: Context): DhcpDecision {
  const { request, view, client, now } = context;
  const ip = readIp(request.options, option.requestedIp);
  if (ip === undefined || view.leases.byIp(ip)?.key !== client.key)
    return quiet(context, "ignored", [], "the client declined an address it was not given");
  const lease = { ip, key: client.key, state: "declined", until: now + quarantineMs } as const;
  return quiet(
    context,
    "address-declined",
    [{ kind: "put", lease }],
    `somebody else answers on ${ip}`,
  );
}

function onRelease(context: Context): DhcpDecision {
  const { request, view, client, now } = context;
  const lease = view.leases.byIp(request.clientIp);
  if (lease?.key !== client.key || lease.state === "declined")
    return quiet(context, "ignored", [], "the client released an address it does not hold");
  const rested = { ...lease, state: "released", until: now + releaseRestMs } as const;
  return quiet(
    context,
    "released",
    [{ kind: "put", lease: rested }],
    `${lease.ip} rests before reuse`,
  );
}

function onInform(context: Context): DhcpDecision {
  const { request, view, choice } = context;
  if (request.clientIp === unspecifiedIp)
    return quiet(context, "ignored", [], "INFORM without an address cannot be answered");
  const reply = buildReply(request, view.site, { kind: "ack", yourIp: unspecifiedIp, choice });
  return {
    ...base(context, "informed", [], "the client has an address of its own"),
    kind: "reply",
    reply,
    sendTo: replyAddress(request),
    isChainload: false,
  };
}

function answer(
  context: Context,
  kind: "offer" | "ack",
  yourIp: string,
  changes: readonly LeaseChange[],
  because: string,
): DhcpDecision {
  const { request, view, choice } = context;
  const leaseMs = leaseMsFor(context);
  return {
    ...base(context, kind === "offer" ? "offered" : "acknowledged", changes, because),
    kind: "reply",
    reply: buildReply(request, view.site, { kind, yourIp, leaseMs, choice }),
    sendTo: replyAddress(request),
    isChainload: kind === "ack" && (choice.kind === "loader" || choice.kind === "http-loader"),
  };
}

function refuse(context: Context, reason: string): DhcpDecision {
  return {
    ...base(context, "refused", [], reason),
    kind: "reply",
    reply: buildNak(context.request, context.view.site, reason),
    sendTo: nakAddress(context.request),
    isChainload: false,
  };
}

function quiet(
  context: Context,
  event: DhcpEvent,
  changes: readonly LeaseChange[] = [],
  because?: string,
): DhcpDecision {
  return { ...base(context, event, changes, because), kind: "silence" };
}

function base(
  context: Context,
  event: DhcpEvent,
  changes: readonly LeaseChange[],
  because?: string,
): DecisionBase {
  const { client, known, choice } = context;
  const reasons = [known.because, choice.because];
  return {
    client,
    ...(known.nodeId === undefined ? {} : { nodeId: known.nodeId }),
    event,
    changes,
    because: because === undefined ? reasons : [...reasons, because],
  };
}

/** Firmware and installers come and go within minutes; an installed system stays. */
function leaseMsFor(context: Context): number {
  const { client, known, view } = context;
  const isBooting = client.stage !== "system" || !["local", "none"].includes(known.intent);
  return isBooting ? view.site.leases.bootMs : view.site.leases.normalMs;
}
