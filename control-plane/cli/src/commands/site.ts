// `drover site …`.
import { fleetApi, type SiteView } from "@drover/shared/api/fleet-api";
import { SiteId } from "@drover/shared/ids";
import type { Command } from "commander";
import { answer, type Context } from "../context.ts";
import { show, table, when } from "../output.ts";
import { as, everyPage, keyValue, wholeNumber } from "./arguments.ts";

const siteId = as(SiteId, "a site id such as s-abcd");

const siteLines = (site: SiteView): string[] => [
  `${site.id}  ${site.name}${site.hollow ? "  (hollow)" : ""}`,
  `  region      ${site.region}, ${site.timeZone}`,
  `  status      ${site.status}, ${site.reachability}, last heard ${when(site.heardAt)}`,
  `  generation  ${site.appliedGeneration} applied of ${site.generation}`,
  `  agent       ${site.agentVersion ?? "-"}, ${site.nodes} nodes`,
];

export function addSite(program: Command, context: () => Context): void {
  const site = program.command("site").description("sites");
  site
    .command("list")
    .option("--region <path>", "only below this region")
    .option("--limit <count>", "at most this many; default: all", wholeNumber)
    .action(async (options: { region?: string; limit?: number }) => {
      const items = await everyPage(
        (page) =>
          context().ask(fleetApi.listSites, {
            query: { ...page, ...(options.region ? { region: options.region } : {}) },
          }),
        options.limit,
      );
      show(context().output, items, (sites) =>
        table(
          ["SITE", "NAME", "REGION", "STATE", "GENERATION", "NODES"],
          sites.map((each) => [
            each.id,
            each.name,
            each.region,
            each.status === "active" ? each.reachability : each.status,
            `${each.appliedGeneration}/${each.generation}`,
            String(each.nodes),
          ]),
        ),
      );
    });
  site
    .command("show")
    .argument("<site>", "site id", siteId)
    .action(async (id) => {
      await answer(context(), fleetApi.getSite, { params: { site: id } }, siteLines);
    });
  addCreate(site, context);
  addStanding(site, context);
}

function addStanding(site: Command, context: () => Context): void {
  site
    .command("enrolment")
    .description("a new enrolment string; the old one stops working")
    .argument("<site>", "site id", siteId)
    .action(async (id) => {
      await answer(context(), fleetApi.renewEnrolment, { params: { site: id } }, (view) => [
        view.enrolment,
      ]);
    });
  for (const [verb, status] of [
    ["quarantine", "quarantined"],
    ["decommission", "decommissioned"],
    ["reactivate", "active"],
  ] as const) {
    site
      .command(verb)
      .argument("<site>", "site id", siteId)
      .requiredOption("--reason <text>", "why, for the record")
      .action(async (id, options: { reason: string }) => {
        await answer(
          context(),
          fleetApi.setSiteStatus,
          {
            params: { site: id },
            body: { status, reason: options.reason },
          },
          siteLines,
        );
      });
  }
}

interface CreateOptions {
  region: string;
  timeZone: string;
  label?: Record<string, string>;
  pair?: SiteId;
  provingMs?: number;
  hollow?: boolean;
}

function addCreate(site: Command, context: () => Context): void {
  site
    .command("create")
    .description("register a site; prints its enrolment string once")
    .argument("<name>", "name for people")
    .requiredOption("--region <path>", "place path such as emea/de/berlin")
    .option("--time-zone <zone>", "IANA time zone", "Etc/UTC")
    .option("--label <key=value>", "label; may be repeated", keyValue)
    .option("--pair <site>", "the site that backs this one up", siteId)
    .option(
      "--proving-ms <ms>",
      "how long a new system must stay healthy before it commits",
      wholeNumber,
    )
    .option("--hollow", "a site of in-memory nodes")
    .action(async (name: string, options: CreateOptions) => {
      const body = {
        name,
        region: options.region,
        timeZone: options.timeZone,
        labels: options.label ?? {},
        hollow: options.hollow ?? false,
        ...(options.pair ? { pair: options.pair } : {}),
        ...(options.provingMs ? { policy: { provingMs: options.provingMs } } : {}),
      };
      await answer(context(), fleetApi.createSite, { body }, (view) => [
        `${view.site}`,
        view.enrolment,
      ]);
    });
}
