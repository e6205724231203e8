// One rollout: where it stands, why, and its waves.
import type { RolloutView } from "@drover/shared/api/rollout-api";
import { Link } from "@tanstack/react-router";
import { StopButtons } from "./stop-buttons.tsx";
import { WaveBar } from "./wave-bar.tsx";
import { standing } from "./words.ts";

export function RolloutCard({ rollout }: { rollout: RolloutView }) {
  const brings = Object.entries(rollout.releases)
    .map(([name, release]) => `${name} to ${release.name}@${release.semver}`)
    .join(", ");
  return (
    <article className={`rollout ${rollout.state.phase}`} data-rollout={rollout.id}>
      <header>
        <div>
          <h2>
            <Link to="/rollouts/$rollout" params={{ rollout: rollout.id }}>
              {rollout.name}
            </Link>
          </h2>
          <p>
            <strong>{standing(rollout)}</strong> · {brings} · {rollout.grants} grants given
          </p>
        </div>
        <StopButtons rollout={rollout} />
      </header>
      {rollout.because.length > 0 && (
        <ul className="because">
          {rollout.because.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      {rollout.waves.map((wave) => (
        <WaveBar key={wave.wave} wave={wave} />
      ))}
    </article>
  );
}
