// The fleet in numbers, its rollouts live, and its sites.
import { useQuery } from "@tanstack/react-query";
import { api } from "../api.ts";
import { RolloutCard } from "../parts/rollout-card.tsx";
import { clock } from "../parts/words.ts";

function Numbers() {
  const fleet = useQuery({ queryKey: ["fleet"], queryFn: api.fleet });
  if (!fleet.data) return <p role="status">{fleet.error?.message ?? "loading the fleet…"}</p>;
  const { sites, nodes, hollowSites, releases, frozen } = fleet.data;
  return (
    <section aria-label="fleet">
      {frozen && (
        <p role="alert">The fleet is frozen: no grant is given until a person thaws it.</p>
      )}
      <dl className="numbers">
        <div>
          <dt>sites</dt>
          <dd>{sites.total}</dd>
        </div>
        <div>
          <dt>live</dt>
          <dd>{sites.live}</dd>
        </div>
        <div>
          <dt>stale</dt>
          <dd>{sites.stale}</dd>
        </div>
        <div>
          <dt>lost</dt>
          <dd>{sites.lost}</dd>
        </div>
        <div>
          <dt>nodes</dt>
          <dd>{nodes}</dd>
        </div>
        <div>
          <dt>hollow sites, counted apart</dt>
          <dd>{hollowSites}</dd>
        </div>
        {Object.entries(releases).map(([label, count]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Sites() {
  const sites = useQuery({ queryKey: ["sites"], queryFn: api.sites });
  if (!sites.data) return <p role="status">{sites.error?.message ?? "loading sites…"}</p>;
  return (
    <table>
      <caption>Sites</caption>
      <thead>
        <tr>
          <th>name</th>
          <th>region</th>
          <th>state</th>
          <th>generation</th>
          <th>nodes</th>
          <th>heard at (UTC)</th>
        </tr>
      </thead>
      <tbody>
        {sites.data.items.map((site) => (
          <tr key={site.id} data-site={site.id}>
            <td>
              {site.name}
              {site.hollow ? " (hollow)" : ""}
            </td>
            <td>{site.region}</td>
            <td>{site.status === "active" ? site.reachability : site.status}</td>
            <td>
              {site.appliedGeneration} of {site.generation}
            </td>
            <td>{site.nodes}</td>
            <td>{clock(site.heardAt)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function FleetPage() {
  const rollouts = useQuery({ queryKey: ["rollouts"], queryFn: api.rollouts });
  return (
    <>
      <h1>Fleet</h1>
      <Numbers />
      <h1>Rollouts</h1>
      {rollouts.data?.items.map((rollout) => (
        <RolloutCard key={rollout.id} rollout={rollout} />
      ))}
      {rollouts.data?.items.length === 0 && <p>No rollout yet.</p>}
      {rollouts.error && <p role="alert">{rollouts.error.message}</p>}
      <Sites />
    </>
  );
}
