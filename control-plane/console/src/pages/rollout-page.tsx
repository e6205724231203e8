// One rollout with the standing of each of its sites and why.
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api } from "../api.ts";
import { RolloutCard } from "../parts/rollout-card.tsx";
import { clock, stateOrder, stateWords } from "../parts/words.ts";

export function RolloutPage() {
  const { rollout: id } = useParams({ from: "/rollouts/$rollout" });
  const rollout = useQuery({ queryKey: ["rollout", id], queryFn: () => api.rollout(id) });
  if (!rollout.data) return <p role="status">{rollout.error?.message ?? "loading the rollout…"}</p>;
  return (
    <>
      <h1>Rollout</h1>
      <RolloutCard rollout={rollout.data} whole />
      <RolloutSites id={id} />
    </>
  );
}

function RolloutSites({ id }: { id: string }) {
  const standings = useQuery({
    queryKey: ["rollout", id, "sites"],
    queryFn: () => api.rolloutSites(id),
  });
  const sites = useQuery({ queryKey: ["sites"], queryFn: api.sites });
  if (!standings.data) return <p role="status">{standings.error?.message ?? "loading sites…"}</p>;
  const names = new Map(sites.data?.items.map((site) => [site.id, site.name]));
  const rows = [...standings.data.items].sort(
    (one, other) =>
      stateOrder.indexOf(other.state) - stateOrder.indexOf(one.state) || one.wave - other.wave,
  );
  return (
    <div className="scroll">
      <table>
        <caption>Sites of this rollout, trouble first. Times are UTC.</caption>
        <thead>
          <tr>
            <th>site</th>
            <th>wave</th>
            <th>state</th>
            <th>since</th>
            <th>because</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((site) => (
            <tr key={site.site}>
              <td>
                {names.get(site.site) ?? site.site} <small>{site.site}</small>
              </td>
              <td>{site.wave + 1}</td>
              <td>
                <i className={`dot ${site.state}`} aria-hidden="true" /> {stateWords[site.state]}
              </td>
              <td className="time">{clock(site.since)}</td>
              <td>{site.because.join("; ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
