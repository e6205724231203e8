// Endpoints for people and CI: fleet, sites, nodes and classes.
import { z } from "@hono/zod-openapi";
import { EpochMs, ImageId, MacAddress, NodeClass, NodeId, SiteId } from "../ids.ts";
import { NodeFacts } from "../node/facts.ts";
import { SlotTable } from "../node/slot.ts";
import { Refusal, UpdateReport } from "../node/update-state.ts";
import { ReleaseRef } from "../release/release.ts";
import { SitePolicy } from "../site/policy.ts";
import { DiskLayoutSizes } from "../site/procedure.ts";
import { SiteFields } from "../site/site.ts";
import { endpoint } from "./route.ts";

export const Reachability = z.enum(["never", "live", "stale", "lost"]);

export const SiteView = SiteFields.extend({
  id: SiteId,
  status: z.enum(["active", "quarantined", "decommissioned"]),
  reachability: Reachability,
  heardAt: EpochMs.nullable(),
  generation: z.number().int(),
  appliedGeneration: z.number().int(),
  agentVersion: z.string().nullable(),
  nodes: z.number().int(),
  /** Content bytes the site took from the WAN since its cache was made, by image. */
  wanBytes: z.record(ImageId, z.number().int()),
});
export type SiteView = z.infer<typeof SiteView>;

export const NodeView = z.object({
  id: NodeId,
  site: SiteId,
  class: NodeClass.nullable(),
  macs: z.array(MacAddress),
  hold: z.boolean(),
  facts: NodeFacts.nullable(),
  slots: SlotTable.nullable(),
  update: UpdateReport.nullable(),
  refusals: z.array(Refusal),
  running: ReleaseRef.nullable(),
  reportedAt: EpochMs.nullable(),
});
export type NodeView = z.infer<typeof NodeView>;

export const ClassView = z.object({
  name: NodeClass,
  /** Release that new and empty nodes of the class are installed with. */
  release: ReleaseRef.nullable(),
  minimum: z.number().int(),
  sizes: DiskLayoutSizes,
});
export type ClassView = z.infer<typeof ClassView>;

/** Answer to "why": where the thing stands and the reasons, newest first. */
export const WhyView = z.object({
  subject: z.string(),
  headline: z.string(),
  because: z.array(z.string()),
  events: z.array(z.object({ at: EpochMs, what: z.string(), because: z.array(z.string()) })),
});
export type WhyView = z.infer<typeof WhyView>;

export const FleetView = z.object({
  sites: z.object({
    total: z.number().int(),
    live: z.number().int(),
    stale: z.number().int(),
    lost: z.number().int(),
    never: z.number().int(),
  }),
  hollowSites: z.number().int(),
  nodes: z.number().int(),
  /** Nodes by running release label; `unknown` when nothing was reported yet. */
  releases: z.record(z.string(), z.number().int()),
  frozen: z.boolean(),
});
export type FleetView = z.infer<typeof FleetView>;

const page = z.object({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const siteParams = z.object({ site: SiteId });
const nodeParams = z.object({ node: NodeId });
const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

/** What an operator hands to the person on the spot; shown once. */
export const EnrolmentView = z.object({ site: SiteId, enrolment: z.string(), expiresAt: EpochMs });

export const SiteRequest = z.strictObject({
  name: SiteFields.shape.name,
  region: SiteFields.shape.region,
  coordinates: SiteFields.shape.coordinates.default(null),
  timeZone: SiteFields.shape.timeZone.default("Etc/UTC"),
  labels: SiteFields.shape.labels.default({}),
  class: SiteFields.shape.class.default("site"),
  pair: SiteFields.shape.pair.default(null),
  hollow: z.boolean().default(false),
  policy: SitePolicy.partial().default({}),
});

export const fleetApi = {
  fleet: endpoint({
    method: "get",
    path: "/api/v1/fleet",
    summary: "the fleet in numbers",
    caller: "person",
    result: FleetView,
  }),
  /** A fleet freezes by itself when sites are ahead of the database; only a person unfreezes it. */
  setFrozen: endpoint({
    method: "put",
    path: "/api/v1/fleet/frozen",
    summary: "stop or allow new grants, starts and desired documents",
    caller: "person",
    body: z.strictObject({ frozen: z.boolean(), reason: z.string().min(1).max(500) }),
    result: FleetView,
  }),
  listSites: endpoint({
    method: "get",
    path: "/api/v1/sites",
    summary: "sites, ordered by id",
    caller: "person",
    query: page.extend({
      region: z.string().max(200).optional(),
      hollow: z.enum(["true", "false"]).optional(),
    }),
    result: listOf(SiteView),
  }),
  createSite: endpoint({
    method: "post",
    path: "/api/v1/sites",
    summary: "register a site and get its enrolment string",
    caller: "person",
    body: SiteRequest,
    result: EnrolmentView,
  }),
  getSite: endpoint({
    method: "get",
    path: "/api/v1/sites/{site}",
    summary: "one site",
    caller: "person",
    params: siteParams,
    result: SiteView,
  }),
  renewEnrolment: endpoint({
    method: "post",
    path: "/api/v1/sites/{site}/enrolment",
    summary: "a new enrolment string; the old one stops working",
    caller: "person",
    params: siteParams,
    result: EnrolmentView,
  }),
  setSiteStatus: endpoint({
    method: "put",
    path: "/api/v1/sites/{site}/status",
    summary: "quarantine, decommission or reactivate a site",
    caller: "person",
    params: siteParams,
    body: z.strictObject({ status: SiteView.shape.status, reason: z.string().min(1).max(500) }),
    result: SiteView,
  }),
  whySite: endpoint({
    method: "get",
    path: "/api/v1/sites/{site}/why",
    summary: "why the site is as it is",
    caller: "person",
    params: siteParams,
    result: WhyView,
  }),
  listNodes: endpoint({
    method: "get",
    path: "/api/v1/nodes",
    summary: "nodes, ordered by id",
    caller: "person",
    query: page.extend({ site: SiteId.optional() }),
    result: listOf(NodeView),
  }),
  registerNode: endpoint({
    method: "post",
    path: "/api/v1/sites/{site}/nodes",
    summary: "register a node by MAC address",
    caller: "person",
    params: siteParams,
    body: z.strictObject({
      macs: z.array(MacAddress).min(1).max(16),
      class: NodeClass.nullable().default(null),
    }),
    result: NodeView,
  }),
  getNode: endpoint({
    method: "get",
    path: "/api/v1/nodes/{node}",
    summary: "one node",
    caller: "person",
    params: nodeParams,
    result: NodeView,
  }),
  updateNode: endpoint({
    method: "patch",
    path: "/api/v1/nodes/{node}",
    summary: "classify a node, or hold it",
    caller: "person",
    params: nodeParams,
    body: z.strictObject({ class: NodeClass.optional(), hold: z.boolean().optional() }),
    result: NodeView,
  }),
  installNode: endpoint({
    method: "post",
    path: "/api/v1/nodes/{node}/install",
    summary: "order an install; erases the node's disk",
    caller: "person",
    params: nodeParams,
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    result: NodeView,
  }),
  clearRefusals: endpoint({
    method: "post",
    path: "/api/v1/nodes/{node}/clear-refusal",
    summary: "let a node try a refused image again",
    caller: "person",
    params: nodeParams,
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    result: NodeView,
  }),
  whyNode: endpoint({
    method: "get",
    path: "/api/v1/nodes/{node}/why",
    summary: "why the node is as it is",
    caller: "person",
    params: nodeParams,
    result: WhyView,
  }),
  listClasses: endpoint({
    method: "get",
    path: "/api/v1/classes",
    summary: "classes of nodes",
    caller: "person",
    result: z.object({ items: z.array(ClassView) }),
  }),
  putClass: endpoint({
    method: "put",
    path: "/api/v1/classes/{class}",
    summary: "create a class or change its install release and disk layout",
    caller: "person",
    params: z.object({ class: NodeClass }),
    body: z.strictObject({
      release: z.string().max(130).nullable().optional(),
      channel: z.string().max(40).optional(),
      minimum: z.number().int().min(0).optional(),
      sizes: DiskLayoutSizes.partial().optional(),
    }),
    result: ClassView,
  }),
} as const;
