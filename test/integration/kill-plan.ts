// Which program of the control plane or the sites is killed when: all of it follows from one seed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { processesIn } from "@drover/server/embedded/process-identity";
import { type Random, seededRandom } from "@drover/shared/random";
import { serviceFolders } from "./with-control-plane.ts";

export const victims = ["server", "agent", "nats", "postgres"] as const;
export type Victim = (typeof victims)[number];

export interface Kill {
  readonly victim: Victim;
  /** Grants that must have been given before. */
  readonly afterGrants: number;
  /** Time after that, so that kills hit every step of a change. */
  readonly delayMs: number;
}

/** `each` kills of every program in random order, spread over the first `grants` grants. */
export function planKills(seed: number, each: number, grants: number): Kill[] {
  const random = seededRandom(seed);
  const order = shuffled(
    victims.flatMap((victim) => Array.from({ length: each }, () => victim)),
    random,
  );
  return order.map((victim, position) => ({
    victim,
    afterGrants: 1 + Math.floor((position * grants) / order.length),
    delayMs: random.integer(2_500),
  }));
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(random.integer(rest.length), 1));
}

/** Process to kill of an embedded service, or undefined while it is down. */
export function servicePid(data: string, service: "nats" | "postgres"): number | undefined {
  const folders = serviceFolders(data);
  if (service === "nats") return processesIn(folders.nats)[0];
  try {
    const pid = Number(
      readFileSync(join(folders.postgres, "postmaster.pid"), "utf8").split("\n")[0],
    );
    return processesIn(folders.postgres).includes(pid) ? pid : undefined;
  } catch {
    // Between two lives there is no such file.
    return undefined;
  }
}
