// `drover node …` and `drover class …`.
import { type ClassView, fleetApi, type NodeView } from "@drover/shared/api/fleet-api";
import { MacAddress, NodeClass, NodeId, SiteId } from "@drover/shared/ids";
import { releaseLabel } from "@drover/shared/release/release";
import type { Command } from "commander";
import { answer, type Context } from "../context.ts";
import { show, table, when } from "../output.ts";
import { as, everyPage, several, wholeNumber } from "./arguments.ts";

const nodeId = as(NodeId, "a node id such as n-abcd");
const macAddress = as(MacAddress, "a MAC address such as 52:54:00:12:34:56");
const nodeClass = as(NodeClass, "a class such as till");

const running = (node: NodeView): string => (node.running ? releaseLabel(node.running) : "-");
const nodeLines = (node: NodeView): string[] => [
  `${node.id} at ${node.site}, class ${node.class ?? "(none: boots in inventory mode)"}${node.hold ? ", held" : ""}`,
  `  hardware  ${node.facts ? `${node.facts.vendor} ${node.facts.model}, ${node.facts.firmware}` : "not yet known"}`,
  `  running   ${running(node)}, last report ${when(node.reportedAt)}`,
  `  slots     ${node.slots ? `a ${node.slots.a.condition}, b ${node.slots.b.condition}, booted ${node.slots.booted ?? "-"}` : "-"}`,
  `  update    ${node.update ? `${node.update.phase}${node.update.because.length > 0 ? ` (${node.update.because.join("; ")})` : ""}` : "-"}`,
  ...node.refusals.map(
    (refusal) => `  refuses   ${refusal.imageId.slice(0, 12)}: ${refusal.because.join("; ")}`,
  ),
];
const classLines = (each: ClassView): string[] => [
  `${each.name}: installs ${each.release ? releaseLabel(each.release) : "nothing yet"}, minimum counter ${each.minimum}, root slots ${each.sizes.rootMiB} MiB`,
];

export function addNode(program: Command, context: () => Context): void {
  const node = program.command("node").description("nodes");
  node
    .command("list")
    .option("--site <site>", "only of this site", as(SiteId, "a site id"))
    .action(async (options: { site?: SiteId }) => {
      const items = await everyPage((page) =>
        context().ask(fleetApi.listNodes, {
          query: { ...page, ...(options.site ? { site: options.site } : {}) },
        }),
      );
      show(context().output, items, (nodes) =>
        table(
          ["NODE", "SITE", "CLASS", "RUNNING", "UPDATE"],
          nodes.map((each) => [
            each.id,
            each.site,
            each.class ?? "-",
            running(each),
            each.update?.phase ?? "-",
          ]),
        ),
      );
    });
  node
    .command("show")
    .argument("<node>", "node id", nodeId)
    .action(async (id) => {
      await answer(context(), fleetApi.getNode, { params: { node: id } }, nodeLines);
    });
  node
    .command("register")
    .description("register a node by its MAC addresses")
    .argument("<site>", "site id", as(SiteId, "a site id"))
    .requiredOption("--mac <address>", "MAC address; may be repeated", several)
    .option("--class <class>", "class", nodeClass)
    .action(async (site, options: { mac: string[]; class?: NodeClass }) => {
      const macs = options.mac.map((mac) => macAddress(mac.toLowerCase()));
      await answer(
        context(),
        fleetApi.registerNode,
        {
          params: { site },
          body: { macs, class: options.class ?? null },
        },
        nodeLines,
      );
    });
  addChanges(node, context);
  addClass(program, context);
}

function addChanges(node: Command, context: () => Context): void {
  node
    .command("classify")
    .argument("<node>", "node id", nodeId)
    .argument("<class>", "class", nodeClass)
    .action(async (id, name) => {
      await answer(
        context(),
        fleetApi.updateNode,
        { params: { node: id }, body: { class: name } },
        nodeLines,
      );
    });
  for (const [verb, hold] of [
    ["hold", true],
    ["release-hold", false],
  ] as const) {
    node
      .command(verb)
      .argument("<node>", "node id", nodeId)
      .action(async (id) => {
        await answer(
          context(),
          fleetApi.updateNode,
          { params: { node: id }, body: { hold } },
          nodeLines,
        );
      });
  }
  node
    .command("install")
    .description("install the node anew: ERASES its disk")
    .argument("<node>", "node id", nodeId)
    .requiredOption("--reason <text>", "why")
    .action(async (id, options: { reason: string }) => {
      await answer(
        context(),
        fleetApi.installNode,
        {
          params: { node: id },
          body: { reason: options.reason },
        },
        nodeLines,
      );
    });
  node
    .command("clear-refusal")
    .description("let the node try refused images again")
    .argument("<node>", "node id", nodeId)
    .requiredOption("--reason <text>", "why")
    .action(async (id, options: { reason: string }) => {
      await answer(
        context(),
        fleetApi.clearRefusals,
        {
          params: { node: id },
          body: { reason: options.reason },
        },
        nodeLines,
      );
    });
}

interface ClassOptions {
  release?: string;
  channel: string;
  rootMib?: number;
}

function addClass(program: Command, context: () => Context): void {
  const group = program.command("class").description("classes of nodes");
  group.command("list").action(async () => {
    const { items } = await context().ask(fleetApi.listClasses);
    show(context().output, items, (classes) => classes.flatMap(classLines));
  });
  group
    .command("set")
    .description("create a class, or choose what its empty nodes are installed with")
    .argument("<class>", "class", nodeClass)
    .option("--release <name@semver>", "release for empty nodes")
    .option("--channel <channel>", "channel of that release", "dev")
    .option("--root-mib <mebibytes>", "size of each root slot", wholeNumber)
    .action(async (name, options: ClassOptions) => {
      const body = {
        ...(options.release ? { release: options.release, channel: options.channel } : {}),
        ...(options.rootMib ? { sizes: { rootMiB: options.rootMib } } : {}),
      };
      await answer(context(), fleetApi.putClass, { params: { class: name }, body }, classLines);
    });
}
