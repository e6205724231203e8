// One rollout with the standing of each of its sites and why.
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api } from "../api.ts";
import { RolloutCard } from "../parts/rollout-card.tsx";
import { clock, stateWords } from "../parts/words.ts";

export function RolloutPage() {
  const { rollout: id } = useParams({ from: "/rollouts/$rollout" });
  const rollout = useQuery({ queryKey: ["rollout", id], queryFn: () => api.rollout(id) });
  const sites = useQuery({
    queryKey: ["rollout", id, "sites"],
    queryFn: () => api.rolloutSites(id),
  });
  if (!rollout.data) return <p role="status">{rollout.error?.message ?? "loading the rollout…"}</p>;
  return (
    <>
      <RolloutCard rollout={rollout.data} />
      <table>
        <caption>Sites of this rollout</caption>
        <thead>
          <tr>
            <th>site</th>
            <th>wave</th>
            <th>state</th>
            <th>since (UTC)</th>
            <th>because</th>
          </tr>
        </thead>
        <tbody>
          {sites.data?.items.map((site) => (
            <tr key={site.site}>
              <td>{site.site}</td>
              <td>{site.wave + 1}</td>
              <td>{stateWords[site.state]}</td>
              <td>{clock(site.since)}</td>
              <td>{site.because.join("; ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
