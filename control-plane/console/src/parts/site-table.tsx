// Sites as a table, those that need a person first; it scrolls by itself on a narrow screen.
import type { SiteView } from "@drover/shared/api/fleet-api";
import { clock } from "./words.ts";

const order = ["lost", "stale", "never", "live"] as const;

const standing = (site: SiteView): string =>
  site.status === "active" ? site.reachability : site.status;

const trouble = (site: SiteView): number =>
  site.status === "active" ? order.indexOf(site.reachability) : order.length;

export function SiteTable({ sites, more }: { sites: readonly SiteView[]; more: boolean }) {
  const sorted = [...sites].sort(
    (one, other) =>
      trouble(one) - trouble(other) || one.name.localeCompare(other.name, "en", { numeric: true }),
  );
  return (
    <div className="scroll">
      <table>
        <caption>
          {more ? `The first ${sites.length} sites` : "All sites"}, trouble first. Times are UTC.
        </caption>
        <thead>
          <tr>
            <th>name</th>
            <th>state</th>
            <th>region</th>
            <th>nodes</th>
            <th>generation applied</th>
            <th>heard</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((site) => (
            <tr key={site.id} data-site={site.id}>
              <td>
                {site.name}
                {site.hollow && <small> hollow</small>}
              </td>
              <td>
                <span className={`reach ${standing(site)}`}>{standing(site)}</span>
              </td>
              <td>{site.region}</td>
              <td>{site.nodes}</td>
              <td>
                {site.appliedGeneration} of {site.generation}
              </td>
              <td className="time">{clock(site.heardAt)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
