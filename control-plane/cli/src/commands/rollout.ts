// `drover rollout …` and `drover halt`: draft, plan, start, the stop words, and waiting for a verdict.
import { type PlanView, type RolloutView, rolloutApi } from "@drover/shared/api/rollout-api";
import { NodeClass, RolloutId, Sha256, SiteId } from "@drover/shared/ids";
import { releaseLabel } from "@drover/shared/release/release";
import type { Command } from "commander";
import { answer, type Context, ExitError, exitCodes } from "../context.ts";
import { bytes, show, table } from "../output.ts";
import { as, keyValue, releaseOn, several, wholeNumber } from "./arguments.ts";

const siteId = as(SiteId, "a site id such as s-abcd");
const nodeClass = as(NodeClass, "a class such as till");
const planHash = as(Sha256, "the hash of a plan, 64 hex digits");
const rolloutId = as(RolloutId, "a rollout id such as r-abcd");

/** One line on where a rollout stands. */
export function standing(rollout: RolloutView): string {
  const { state } = rollout;
  const where = "wave" in state ? `, wave ${state.wave + 1} of ${rollout.waves.length}` : "";
  return `${state.phase}${"step" in state ? ` (${state.step})` : ""}${where}`;
}

function rolloutLines(rollout: RolloutView): string[] {
  const releases = Object.entries(rollout.releases).map(
    ([name, release]) => `${name} to ${releaseLabel(release)}`,
  );
  return [
    `${rollout.id}  ${rollout.name}: ${standing(rollout)}`,
    `  brings ${releases.join(", ")}; ${rollout.grants} grants given`,
    ...rollout.because.map((reason) => `  because ${reason}`),
    ...rollout.waves.map((wave) => {
      const counts = Object.entries(wave.tally).filter(([, count]) => count > 0);
      return `  wave ${wave.wave + 1}: ${wave.sites} sites (${counts.map(([state, count]) => `${count} ${state}`).join(", ")})`;
    }),
  ];
}

function planLines(plan: PlanView): string[] {
  return [
    `plan ${plan.hash}`,
    ...plan.waves.map((wave, at) => `  wave ${at + 1}: ${wave.sites.length} sites`),
    ...plan.excluded.map((each) => `  left out ${each.site}: ${each.because.join("; ")}`),
    `  WAN bill ${bytes(plan.wanBytes)}`,
    ...plan.because.map((reason) => `  ${reason}`),
  ];
}

interface CreateOptions {
  release: Record<string, string>;
  channel: string;
  wave: string[];
  soakMs?: number;
  failedMax?: number;
  silenceMs?: number;
  region?: string[];
  site?: string[];
  label?: Record<string, string>;
  reason?: string;
}

function waveSize(text: string): { count: number } | { percent: number } {
  const percent = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text)?.[1];
  return percent === undefined ? { count: wholeNumber(text) } : { percent: Number(percent) };
}

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const releases: Record<NodeClass, Awaited<ReturnType<typeof releaseOn>>> = {};
  for (const [key, label] of Object.entries(options.release)) {
    releases[nodeClass(key)] = await releaseOn(context, options.channel, label);
  }
  const gate = {
    ...(options.failedMax === undefined ? {} : { failedMax: options.failedMax }),
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
  };
  const body = {
    name,
    changeSet: { releases },
    selection: {
      ...(options.region ? { regions: options.region } : {}),
      ...(options.site ? { sites: options.site.map(siteId) } : {}),
      ...(options.label ? { labels: options.label } : {}),
    },
    policy: {
      waves: options.wave.map(waveSize),
      gate,
      ...(options.soakMs === undefined ? {} : { soakMs: options.soakMs }),
    },
    reason: options.reason ?? "",
  };
  const made = await context.ask(rolloutApi.createRollout, { body });
  show(context.output, made, ({ rollout, plan }) => [
    ...rolloutLines(rollout),
    ...planLines(plan),
    `start it with: drover rollout start ${rollout.id} --plan ${plan.hash}`,
  ]);
}

/** Follows a rollout until it ends; the exit code tells CI the verdict. */
async function wait(context: Context, rollout: RolloutId): Promise<void> {
  let last = "";
  for (;;) {
    const view = await context.ask(rolloutApi.getRollout, { params: { rollout } });
    const now = rolloutLines(view).join("\n");
    if (now !== last && !context.output.json) context.output.notice(now);
    last = now;
    const { phase } = view.state;
    if (phase === "finished") return show(context.output, view, () => ["finished: pass"]);
    if (phase === "halted") {
      show(context.output, view, rolloutLines);
      throw new ExitError(exitCodes.halted, `rollout ${rollout} is halted`);
    }
    if (phase === "cancelled" || phase === "superseded" || phase === "expired") {
      show(context.output, view, rolloutLines);
      throw new ExitError(exitCodes.cancelled, `rollout ${rollout} is ${phase}`);
    }
    await context.pause(2000);
  }
}

export function addRollout(program: Command, context: () => Context): void {
  const rollout = program.command("rollout").description("staged moves of sites to a release");
  rollout.command("list").action(async () => {
    const { items } = await context().ask(rolloutApi.listRollouts);
    show(context().output, items, (all) =>
      table(
        ["ROLLOUT", "NAME", "STATE", "GRANTS"],
        all.map((each) => [each.id, each.name, standing(each), String(each.grants)]),
      ),
    );
  });
  rollout
    .command("show")
    .argument("<rollout>", "rollout id", rolloutId)
    .action(async (id) => {
      await answer(context(), rolloutApi.getRollout, { params: { rollout: id } }, rolloutLines);
    });
  addCreate(rollout, context);
  rollout
    .command("plan")
    .argument("<rollout>", "rollout id", rolloutId)
    .action(async (id) => {
      await answer(context(), rolloutApi.planRollout, { params: { rollout: id } }, planLines);
    });
  rollout
    .command("start")
    .argument("<rollout>", "rollout id", rolloutId)
    .requiredOption("--plan <hash>", "hash of the plan you read")
    .action(async (id, options: { plan: string }) => {
      const body = { plan: planHash(options.plan) };
      await answer(
        context(),
        rolloutApi.startRollout,
        { params: { rollout: id }, body },
        rolloutLines,
      );
    });
  rollout
    .command("sites")
    .argument("<rollout>", "rollout id", rolloutId)
    .action(async (id) => {
      const { items } = await context().ask(rolloutApi.rolloutSites, { params: { rollout: id } });
      show(context().output, items, (all) =>
        table(
          ["SITE", "WAVE", "STATE", "BECAUSE"],
          all.map((each) => [
            each.site,
            String(each.wave + 1),
            each.state,
            each.because.join("; "),
          ]),
        ),
      );
    });
  rollout
    .command("wait")
    .description("follow until it ends: exit 0 finished, 3 halted, 4 cancelled")
    .argument("<rollout>", "rollout id", rolloutId)
    .action((id) => wait(context(), id));
  addStopWords(rollout, context);
  addHaltAll(program, context);
}

function addCreate(rollout: Command, context: () => Context): void {
  rollout
    .command("create")
    .description("draft and plan a rollout; no site changes")
    .argument("<name>", "name for people")
    .requiredOption("--release <class=name@semver>", "release per class; may be repeated", keyValue)
    .option("--channel <channel>", "channel of the releases", "dev")
    .requiredOption(
      "--wave <size>",
      "a number of sites or a cumulative percentage such as 10%; may be repeated",
      several,
    )
    .option("--soak-ms <ms>", "how long a wave must stay healthy", wholeNumber)
    .option("--failed-max <sites>", "failures a wave may have", wholeNumber)
    .option("--silence-ms <ms>", "when a granted site counts as silent", wholeNumber)
    .option("--region <path>", "only below this region; may be repeated", several)
    .option("--site <site>", "only this site; may be repeated", several)
    .option("--label <key=value>", "only sites with this label; may be repeated", keyValue)
    .option("--reason <text>", "why, for the record")
    .action((name: string, options: CreateOptions) => create(context(), name, options));
}

function addHaltAll(program: Command, context: () => Context): void {
  program
    .command("halt")
    .description("halt every running rollout")
    .requiredOption("--all", "say that you mean all")
    .requiredOption("--reason <text>", "why")
    .action(async (options: { reason: string }) => {
      await answer(context(), rolloutApi.haltAll, { body: { reason: options.reason } }, (view) => [
        `halted ${view.halted.length}: ${view.halted.join(" ")}`,
      ]);
    });
}

function addStopWords(rollout: Command, context: () => Context): void {
  const words = {
    pause: ["stop giving grants for now; undo with resume", rolloutApi.pauseRollout],
    resume: ["give grants again", rolloutApi.resumeRollout],
    halt: ["stop: no further node starts; undo with un-halt", rolloutApi.haltRollout],
    "un-halt": ["let a halted rollout run again", rolloutApi.unhaltRollout],
    cancel: ["end it for good", rolloutApi.cancelRollout],
    "roll-back": ["start a new rollout that takes sites back", rolloutApi.rollBackRollout],
  } as const;
  for (const [word, [description, endpoint]] of Object.entries(words)) {
    rollout
      .command(word)
      .description(description)
      .argument("<rollout>", "rollout id", rolloutId)
      .requiredOption("--reason <text>", "why, for the record")
      .action(async (id, options: { reason: string }) => {
        await answer(
          context(),
          endpoint,
          {
            params: { rollout: id },
            body: { reason: options.reason },
          },
          rolloutLines,
        );
      });
  }
}
