// One wave as a bar of its sites by state; the legend carries the same numbers as text, so that
// nothing is said by colour alone.
import type { RolloutView } from "@drover/shared/api/rollout-api";
import { stateOrder, stateWords } from "./words.ts";

export function WaveBar({ wave }: { wave: RolloutView["waves"][number] }) {
  const present = stateOrder.filter((state) => (wave.tally[state] ?? 0) > 0);
  return (
    <section className="wave" aria-label={`wave ${wave.wave + 1}`}>
      <h3>
        Wave {wave.wave + 1}{" "}
        <small>
          {wave.sites} {wave.sites === 1 ? "site" : "sites"}
        </small>
      </h3>
      <div className="bar" aria-hidden="true">
        {present.map((state) => (
          <span key={state} className={`part ${state}`} style={{ flexGrow: wave.tally[state] }} />
        ))}
      </div>
      <ul className="legend">
        {present.map((state) => (
          <li key={state}>
            <i className={state} aria-hidden="true" /> {wave.tally[state]} {stateWords[state]}
          </li>
        ))}
      </ul>
    </section>
  );
}
