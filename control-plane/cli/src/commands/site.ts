// `drover fleet` and `drover site …`.
import { type FleetView, fleetApi, type SiteView } from "@drover/shared/api/fleet-api";
import { sessionApi } from "@drover/shared/api/session-api";
import { SiteId } from "@drover/shared/ids";
import type { Command } from "commander";
import { answer, type Context } from "../context.ts";
import { show, table, when } from "../output.ts";
import { as, keyValue } from "./arguments.ts";

const siteId = as(SiteId, "a site id such as s-abcd");

function fleetLines(fleet: FleetView): string[] {
  const { sites } = fleet;
  return [
    `sites   ${sites.total} (${sites.live} live, ${sites.stale} stale, ${sites.lost} lost, ${sites.never} never heard)`,
    `hollow  ${fleet.hollowSites} sites, counted apart`,
    `nodes   ${fleet.nodes}`,
    ...Object.entries(fleet.releases).map(([label, count]) => `  ${label}  ${count}`),
    ...(fleet.frozen ? ["the fleet is frozen: no grant is given until a person thaws it"] : []),
  ];
}

const siteLines = (site: SiteView): string[] => [
  `${site.id}  ${site.name}${site.hollow ? "  (hollow)" : ""}`,
  `  region      ${site.region}, ${site.timeZone}`,
  `  status      ${site.status}, ${site.reachability}, last heard ${when(site.heardAt)}`,
  `  generation  ${site.appliedGeneration} applied of ${site.generation}`,
  `  agent       ${site.agentVersion ?? "-"}, ${site.nodes} nodes`,
];

export function addSite(program: Command, context: () => Context): void {
  program
    .command("fleet")
    .description("the fleet in numbers")
    .action(async () => {
      await answer(context(), fleetApi.fleet, {}, fleetLines);
    });
  program
    .command("login-link")
    .description("a one-time code for the console: open /login#CODE")
    .action(() => answer(context(), sessionApi.loginLink, {}, (link) => [link.code]));
  const site = program.command("site").description("sites");
  site
    .command("list")
    .option("--region <path>", "only below this region")
    .option("--limit <count>", "at most this many", "100")
    .action(async (options: { region?: string; limit: string }) => {
      const query = {
        limit: Number(options.limit),
        ...(options.region ? { region: options.region } : {}),
      };
      const { items } = await context().ask(fleetApi.listSites, { query });
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
  pair?: string;
  provingMs?: string;
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
    .option("--pair <site>", "the site that backs this one up")
    .option("--proving-ms <ms>", "how long a new system must stay healthy before it commits")
    .option("--hollow", "a site of in-memory nodes")
    .action(async (name: string, options: CreateOptions) => {
      const body = {
        name,
        region: options.region,
        timeZone: options.timeZone,
        labels: options.label ?? {},
        hollow: options.hollow ?? false,
        ...(options.pair ? { pair: siteId(options.pair) } : {}),
        ...(options.provingMs ? { policy: { provingMs: Number(options.provingMs) } } : {}),
      };
      await answer(context(), fleetApi.createSite, { body }, (view) => [
        `${view.site}`,
        view.enrolment,
      ]);
    });
}
