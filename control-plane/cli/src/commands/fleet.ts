// `drover fleet …` and `drover login-link`: the fleet in numbers, and the switch that stops all of it.
import { type FleetView, fleetApi } from "@drover/shared/api/fleet-api";
import { sessionApi } from "@drover/shared/api/session-api";
import type { Command } from "commander";
import { answer, type Context } from "../context.ts";

function fleetLines(fleet: FleetView): string[] {
  const { sites } = fleet;
  return [
    `sites   ${sites.total} (${sites.live} live, ${sites.stale} stale, ${sites.lost} lost, ${sites.never} never heard)`,
    `hollow  ${fleet.hollowSites} sites, counted apart`,
    `nodes   ${fleet.nodes}`,
    ...Object.entries(fleet.releases).map(([label, count]) => `  ${label}  ${count}`),
    ...(fleet.frozen
      ? ["the fleet is frozen: no grant is given until a person unfreezes it (fleet unfreeze)"]
      : []),
  ];
}

export function addFleet(program: Command, context: () => Context): void {
  const fleet = program
    .command("fleet")
    .description("the fleet in numbers; freeze and unfreeze it")
    .action(() => answer(context(), fleetApi.fleet, {}, fleetLines));
  for (const [verb, frozen, description] of [
    ["freeze", true, "stop new grants, starts and desired documents; undo with unfreeze"],
    ["unfreeze", false, "let the fleet go on"],
  ] as const) {
    fleet
      .command(verb)
      .description(description)
      .requiredOption("--reason <text>", "why, for the record")
      .action((options: { reason: string }) => {
        const body = { frozen, reason: options.reason };
        return answer(context(), fleetApi.setFrozen, { body }, fleetLines);
      });
  }
  program
    .command("login-link")
    .description("a one-time code for the console: open /login#CODE")
    .action(() => answer(context(), sessionApi.loginLink, {}, (link) => [link.code]));
}
