// `drover why site|node|rollout`: the answer to why something is as it is.
import { fleetApi, type WhyView } from "@drover/shared/api/fleet-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { Command } from "commander";
import { answer, type Context } from "../context.ts";
import { when } from "../output.ts";
import { as } from "./arguments.ts";

/** An answer as lines: headline, reasons, then the timeline. */
export function whyLines(why: WhyView): string[] {
  return [
    `${why.subject}: ${why.headline}`,
    ...why.because.map((reason) => `  because ${reason}`),
    ...(why.events.length > 0 ? ["timeline, newest first:"] : []),
    ...why.events.map(
      (event) =>
        `  ${when(event.at)}  ${event.what}${event.because.length > 0 ? `: ${event.because.join("; ")}` : ""}`,
    ),
  ];
}

export function addWhy(program: Command, context: () => Context): void {
  const why = program.command("why").description("why something is as it is");
  why
    .command("site")
    .argument("<site>", "site id", as(SiteId, "a site id such as s-abcd"))
    .action(async (site) => {
      await answer(context(), fleetApi.whySite, { params: { site } }, whyLines);
    });
  why
    .command("node")
    .argument("<node>", "node id", as(NodeId, "a node id such as n-abcd"))
    .action(async (node) => {
      await answer(context(), fleetApi.whyNode, { params: { node } }, whyLines);
    });
  why
    .command("rollout")
    .argument("<rollout>", "rollout id", as(RolloutId, "a rollout id such as r-abcd"))
    .action(async (rollout) => {
      await answer(context(), rolloutApi.whyRollout, { params: { rollout } }, whyLines);
    });
}
