// Where a rollout stands and where each of its sites stands in it. Deadlines are data.
import { z } from "zod";
import { EpochMs } from "../ids.ts";

const reasons = z.array(z.string());

/** States of a rollout; each variant carries exactly what it needs. Waves count from 0. */
export const RolloutState = z.discriminatedUnion("phase", [
  z.object({ phase: z.literal("draft") }),
  z.object({ phase: z.literal("awaiting-approval") }),
  z.object({ phase: z.literal("scheduled"), startsAt: EpochMs }),
  z.discriminatedUnion("step", [
    z.object({
      phase: z.literal("running"),
      wave: z.number().int().min(0),
      step: z.literal("updating"),
    }),
    z.object({
      phase: z.literal("running"),
      wave: z.number().int().min(0),
      step: z.literal("soaking"),
      soakEndsAt: EpochMs,
    }),
  ]),
  z.object({
    phase: z.literal("paused"),
    wave: z.number().int().min(0),
    by: z.string(),
    because: reasons,
  }),
  z.object({
    phase: z.literal("halted"),
    wave: z.number().int().min(0),
    by: z.string(),
    because: reasons,
  }),
  z.object({ phase: z.literal("finished"), at: EpochMs }),
  z.object({ phase: z.literal("cancelled"), by: z.string(), because: reasons }),
  z.object({ phase: z.literal("superseded"), by: z.string() }),
  z.object({ phase: z.literal("expired") }),
]);
export type RolloutState = z.infer<typeof RolloutState>;
export type RolloutPhase = RolloutState["phase"];

/** Where a site stands in a rollout. */
export const SiteInRollout = z.enum([
  "waiting",
  "ready",
  "granted",
  "trial",
  "proving",
  "committed",
  "fallen-back",
  "inconclusive",
  "silent",
  "excluded",
  "skipped",
]);
export type SiteInRollout = z.infer<typeof SiteInRollout>;

/** Site states in which a node may be away from service because of the rollout. */
export const inFlightStates: readonly SiteInRollout[] = ["granted", "trial", "proving"];

/** How many sites of a wave are in each state. */
export const Tally = z.record(SiteInRollout, z.number().int().min(0));
export type Tally = z.infer<typeof Tally>;

export function emptyTally(): Tally {
  return Object.fromEntries(SiteInRollout.options.map((state) => [state, 0])) as Tally;
}

/** `pass`, `wait` or `halt`, always with reasons. */
export type Verdict =
  | { readonly kind: "pass"; readonly because: readonly string[] }
  | { readonly kind: "wait"; readonly because: readonly string[]; readonly recheckAt: number }
  | { readonly kind: "halt"; readonly because: readonly string[] };
