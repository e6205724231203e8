// The fleet in one look: what runs and why it stopped, the numbers, then the sites.
import type { FleetView } from "@drover/shared/api/fleet-api";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "../api.ts";
import { RolloutCard } from "../parts/rollout-card.tsx";
import { SiteTable } from "../parts/site-table.tsx";
import { isOver, rank } from "../parts/words.ts";

/** How many rollouts that are over stay on the page; `drover rollout list` has all. */
const overShown = 5;

function Rollouts() {
  const rollouts = useQuery({ queryKey: ["rollouts"], queryFn: api.rollouts });
  const items = rollouts.data?.items ?? [];
  const count = (phase: string): number =>
    items.filter(({ state }) => state.phase === phase).length;
  const halted = count("halted");
  const running = count("running");
  useEffect(() => {
    document.title = halted > 0 ? `${halted} halted · Drover` : `${running} running · Drover`;
  }, [halted, running]);
  if (!rollouts.data) return <p role="status">{rollouts.error?.message ?? "loading rollouts…"}</p>;
  const open = items.filter((each) => !isOver(each)).sort((one, other) => rank(one) - rank(other));
  const over = items.filter(isOver).slice(0, overShown);
  return (
    <section aria-label="rollouts">
      <h1>
        Rollouts{" "}
        <small>
          {halted} halted, {running} running, {count("paused")} paused
        </small>
      </h1>
      {items.length === 0 && <p className="quiet">No rollout yet.</p>}
      {open.map((rollout) => (
        <RolloutCard key={rollout.id} rollout={rollout} whole />
      ))}
      {over.map((rollout) => (
        <RolloutCard key={rollout.id} rollout={rollout} whole={false} />
      ))}
    </section>
  );
}

function Tile({ label, value, bad }: { label: string; value: number; bad?: boolean }) {
  return (
    <div className={bad && value > 0 ? "tile bad" : "tile"}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Releases({ releases }: { releases: FleetView["releases"] }) {
  const rows = Object.entries(releases).sort(([, one], [, other]) => other - one);
  const most = Math.max(1, ...rows.map(([, count]) => count));
  if (rows.length === 0) return null;
  return (
    <dl className="releases" aria-label="nodes by release">
      {rows.map(([label, count]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <i style={{ width: `${(8 * count) / most}rem` }} aria-hidden="true" /> {count}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Numbers() {
  const fleet = useQuery({ queryKey: ["fleet"], queryFn: api.fleet });
  if (!fleet.data) return <p role="status">{fleet.error?.message ?? "loading the fleet…"}</p>;
  const { sites, nodes, hollowSites, releases, frozen } = fleet.data;
  return (
    <section aria-label="fleet">
      <h1>Fleet</h1>
      {frozen && (
        <p className="banner" role="alert">
          The fleet is frozen: no grant is given and nothing starts until a person unfreezes it.
        </p>
      )}
      <dl className="numbers">
        <Tile label="sites" value={sites.total} />
        <Tile label="live" value={sites.live} />
        <Tile label="stale" value={sites.stale} bad />
        <Tile label="lost" value={sites.lost} bad />
        <Tile label="never heard" value={sites.never} />
        <Tile label="nodes" value={nodes} />
        <Tile label="hollow sites, apart" value={hollowSites} />
      </dl>
      <Releases releases={releases} />
    </section>
  );
}

function Sites() {
  const sites = useQuery({ queryKey: ["sites"], queryFn: api.sites });
  if (!sites.data) return <p role="status">{sites.error?.message ?? "loading sites…"}</p>;
  return (
    <section aria-label="sites">
      <h1>Sites</h1>
      <SiteTable sites={sites.data.items} more={sites.data.nextCursor !== null} />
    </section>
  );
}

export function FleetPage() {
  return (
    <>
      <Rollouts />
      <Numbers />
      <Sites />
    </>
  );
}
