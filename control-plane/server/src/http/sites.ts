// Endpoints of sites and of the fleet in numbers.
import {
  type EnrolmentView,
  type FleetView,
  fleetApi,
  type SiteView,
} from "@drover/shared/api/fleet-api";
import { writeEnrolment } from "@drover/shared/enrolment";
import type { Sha256, SiteId } from "@drover/shared/ids";
import { SitePolicy } from "@drover/shared/site/policy";
import type { SiteFields } from "@drover/shared/site/site";
import type { Context } from "hono";
import type { z } from "zod";
import { notFound } from "./problem.ts";
import type { Server } from "./serve.ts";

type StoredSite = Omit<SiteView, "coordinates" | "reachability"> & {
  readonly latitude: number | null;
  readonly longitude: number | null;
  readonly beatMs: number;
};

export interface SiteDesk {
  list(filter: {
    after: string;
    limit: number;
    region?: string | undefined;
    hollow?: boolean | undefined;
  }): Promise<StoredSite[]>;
  get(site: SiteId): Promise<StoredSite | undefined>;
  create(input: {
    id: SiteId;
    fields: SiteFields;
    policy: SitePolicy;
    now: number;
    by: string;
  }): Promise<void>;
  putEnrolmentToken(input: { site: SiteId; hash: string; expiresAt: number }): Promise<void>;
  setStatus(change: {
    site: SiteId;
    status: SiteView["status"];
    by: string;
    reason: string;
    now: number;
  }): Promise<boolean>;
  figures(now: number): Promise<FleetView>;
}

export interface SiteOptions {
  readonly desk: SiteDesk;
  reachability(
    site: { heardAt: number | null; beatMs: number },
    now: number,
  ): SiteView["reachability"];
  newSiteId(): SiteId;
  newSecret(): string;
  hashSecret(secret: string): string;
  /** Where sites reach this centre. */
  publicUrl(context: Context): string;
  readonly caFingerprint: string;
  /** Makes the bus act on a changed status. */
  readonly statusChanged: () => Promise<void>;
  setFrozen(change: {
    frozen: boolean;
    now: number;
    by: string;
    because: readonly string[];
  }): Promise<void>;
  readonly wakeDesired: () => void;
  readonly now: () => number;
}

const enrolmentValidMs = 24 * 3_600_000;

export function serveSites(server: Server, options: SiteOptions): void {
  const { desk, now } = options;
  const view = (site: StoredSite): SiteView => toView(site, options);
  const need = async (id: SiteId): Promise<SiteView> => {
    const site = await desk.get(id);
    if (!site) throw notFound(`the site ${id}`);
    return view(site);
  };
  server.person(fleetApi.fleet, "read", () => desk.figures(now()));
  server.person(fleetApi.setFrozen, "release", async ({ body }, person) => {
    const { frozen, reason } = body;
    await options.setFrozen({ frozen, now: now(), by: person.name, because: [reason] });
    options.wakeDesired();
    return desk.figures(now());
  });
  server.person(fleetApi.listSites, "read", async ({ query }) => {
    const { cursor: after = "", limit, region, hollow } = query;
    const flag = hollow === undefined ? undefined : hollow === "true";
    const items = await desk.list({ after, limit, region, hollow: flag });
    return { items: items.map(view), nextCursor: cursorAfter(items, limit) };
  });
  server.person(fleetApi.createSite, "operate", async ({ body, context }, person) => {
    const { policy, ...fields } = body;
    const id = options.newSiteId();
    const parsed = SitePolicy.parse(policy);
    await desk.create({ id, fields, policy: parsed, now: now(), by: person.name });
    options.wakeDesired();
    return newEnrolment(options, id, context);
  });
  server.person(fleetApi.getSite, "read", ({ params }) => need(params.site));
  server.person(fleetApi.renewEnrolment, "operate", async ({ params, context }) => {
    await need(params.site);
    return newEnrolment(options, params.site, context);
  });
  server.person(fleetApi.setSiteStatus, "operate", async ({ params, body }, person) => {
    const { site } = params;
    const known = await desk.setStatus({ site, ...body, by: person.name, now: now() });
    if (!known) throw notFound(`the site ${site}`);
    await options.statusChanged();
    options.wakeDesired();
    return need(site);
  });
}

async function newEnrolment(
  options: SiteOptions,
  site: SiteId,
  context: Context,
): Promise<z.input<typeof EnrolmentView>> {
  const token = options.newSecret();
  const expiresAt = options.now() + enrolmentValidMs;
  await options.desk.putEnrolmentToken({ site, hash: options.hashSecret(token), expiresAt });
  const caFingerprint = options.caFingerprint as Sha256;
  const enrolment = writeEnrolment({ url: options.publicUrl(context), caFingerprint, token });
  return { site, enrolment, expiresAt };
}

function toView(site: StoredSite, options: SiteOptions): SiteView {
  const { latitude, longitude, beatMs, ...rest } = site;
  const coordinates = latitude === null || longitude === null ? null : { latitude, longitude };
  return { ...rest, coordinates, reachability: options.reachability(site, options.now()) };
}

/** The id to go on after, while there may be more. */
export function cursorAfter(items: readonly { id: string }[], limit: number): string | null {
  return items.length < limit ? null : (items.at(-1)?.id ?? null);
}
