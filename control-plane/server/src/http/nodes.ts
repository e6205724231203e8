// Endpoints of nodes and their classes.
import { type ClassView, fleetApi, type NodeView } from "@drover/shared/api/fleet-api";
import type { MacAddress, NodeClass, NodeId, SiteId } from "@drover/shared/ids";
import { parseReleaseLabel, type ReleaseRef } from "@drover/shared/release/release";
import { DiskLayoutSizes, defaultProcedure, type Procedure } from "@drover/shared/site/procedure";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import { conflict, notFound, RequestError } from "./problem.ts";
import type { Server } from "./serve.ts";
import { cursorAfter } from "./sites.ts";

export interface NodeDesk {
  list(filter: { after: string; limit: number; site?: SiteId | undefined }): Promise<NodeView[]>;
  get(node: NodeId): Promise<NodeView | undefined>;
  register(input: {
    id: NodeId;
    site: SiteId;
    macs: readonly MacAddress[];
    class: NodeClass | null;
    now: number;
    by: string;
  }): Promise<MacAddress | undefined>;
  change(change: {
    node: NodeId;
    class?: NodeClass | undefined;
    hold?: boolean | undefined;
    install?: boolean;
    clearRefusals?: boolean;
    what: string;
    because: readonly string[];
    now: number;
  }): Promise<boolean>;
  classes(): Promise<(ClassView & { procedureSerial: number })[]>;
  putClass(change: {
    name: NodeClass;
    release: ReleaseRef | null;
    minimum: number;
    sizes: DiskLayoutSizes;
    procedure: DsseEnvelope;
    procedureSerial: number;
  }): Promise<void>;
}

export interface NodeOptions {
  readonly desk: NodeDesk;
  siteExists(site: SiteId): Promise<boolean>;
  findRelease(
    label: { name: string; semver: string },
    channel?: string,
  ): Promise<ReleaseRef | undefined>;
  sealProcedure(procedure: Procedure): DsseEnvelope;
  newNodeId(): NodeId;
  readonly wakeDesired: () => void;
  readonly now: () => number;
}

export function serveNodes(server: Server, options: NodeOptions): void {
  const { desk, now } = options;
  const need = async (id: NodeId): Promise<NodeView> => {
    const node = await desk.get(id);
    if (!node) throw notFound(`the node ${id}`);
    return node;
  };
  const change = async (input: Parameters<NodeDesk["change"]>[0]): Promise<NodeView> => {
    if (!(await desk.change(input))) throw notFound(`the node ${input.node}`);
    options.wakeDesired();
    return need(input.node);
  };
  server.person(fleetApi.listNodes, "read", async ({ query }) => {
    const { cursor: after = "", limit, site } = query;
    const items = await desk.list({ after, limit, site });
    return { items, nextCursor: cursorAfter(items, limit) };
  });
  server.person(fleetApi.registerNode, "operate", async ({ params, body }, person) => {
    if (!(await options.siteExists(params.site))) throw notFound(`the site ${params.site}`);
    const id = options.newNodeId();
    const input = { id, site: params.site, ...body, now: now(), by: person.name };
    const taken = await desk.register(input);
    if (taken !== undefined) throw conflict("mac-taken", `another node has the address ${taken}`);
    options.wakeDesired();
    return need(id);
  });
  server.person(fleetApi.getNode, "read", ({ params }) => need(params.node));
  server.person(fleetApi.updateNode, "operate", ({ params, body }, person) => {
    const because = [
      `by ${person.name}`,
      ...(body.class === undefined ? [] : [`class ${body.class}`]),
      ...(body.hold === undefined ? [] : [body.hold ? "held as it is" : "no longer held"]),
    ];
    return change({ node: params.node, ...body, what: "node changed", because, now: now() });
  });
  server.person(fleetApi.installNode, "operate", async ({ params, body }, person) => {
    const because = [`by ${person.name}`, body.reason];
    const node = await need(params.node);
    if (node.class === null)
      throw conflict(
        "node-unclassified",
        `${node.id} has no class yet: nothing says what to install`,
      );
    return change({
      node: params.node,
      install: true,
      what: "install ordered",
      because,
      now: now(),
    });
  });
  server.person(fleetApi.clearRefusals, "operate", ({ params, body }, person) => {
    const because = [`by ${person.name}`, body.reason];
    const { node } = params;
    return change({ node, clearRefusals: true, what: "refusals cleared", because, now: now() });
  });
  serveClasses(server, options);
}

function serveClasses(server: Server, options: NodeOptions): void {
  const { desk } = options;
  const view = ({ name, release, minimum, sizes }: ClassView): ClassView => ({
    name,
    release,
    minimum,
    sizes,
  });
  server.person(fleetApi.listClasses, "read", async () => ({
    items: (await desk.classes()).map(view),
  }));
  server.person(fleetApi.putClass, "release", async ({ params, body }) => {
    const name = params.class;
    const known = (await desk.classes()).find((each) => each.name === name);
    const release = await releaseFor(options, body, known?.release ?? null);
    const sizes = DiskLayoutSizes.parse({ ...known?.sizes, ...body.sizes });
    const minimum = body.minimum ?? known?.minimum ?? 0;
    const procedureSerial = (known?.procedureSerial ?? 0) + 1;
    const procedure = options.sealProcedure({
      ...defaultProcedure(name, sizes),
      serial: procedureSerial,
    });
    await desk.putClass({ name, release, minimum, sizes, procedure, procedureSerial });
    options.wakeDesired();
    return { name, release, minimum, sizes };
  });
}

async function releaseFor(
  options: NodeOptions,
  body: { release?: string | null | undefined; channel?: string | undefined },
  known: ReleaseRef | null,
): Promise<ReleaseRef | null> {
  if (body.release === undefined) return known;
  if (body.release === null) return null;
  const label = parseReleaseLabel(body.release);
  if (!label)
    throw new RequestError(
      400,
      "request-invalid",
      `${body.release} is not a release: write name@1.2.3`,
    );
  const release = await options.findRelease(label, body.channel);
  if (!release) throw notFound(`the release ${body.release} on a channel`);
  return release;
}
