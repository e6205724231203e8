// One rollout: where it stands, why, and its waves. One that is over shows its waves on its own page.
import type { RolloutView } from "@drover/shared/api/rollout-api";
import { Link } from "@tanstack/react-router";
import { StopButtons } from "./stop-buttons.tsx";
import { WaveBar } from "./wave-bar.tsx";
import { reasons, sitesIn, where } from "./words.ts";

const brings = (rollout: RolloutView): string =>
  Object.entries(rollout.releases)
    .map(([name, release]) => `class ${name} to ${release.name}@${release.semver}`)
    .join(", ");

function Progress({ rollout }: { rollout: RolloutView }) {
  const sites = rollout.waves.reduce((sum, wave) => sum + wave.sites, 0);
  const fallen = sitesIn(rollout, "fallen-back");
  const silent = sitesIn(rollout, "silent");
  return (
    <p className="progress">
      <strong>
        {sitesIn(rollout, "committed")} of {sites}
      </strong>{" "}
      sites committed
      {fallen > 0 && (
        <strong className="trouble">
          {" "}
          · {fallen} fell back by {fallen === 1 ? "itself" : "themselves"}
        </strong>
      )}
      {silent > 0 && <strong className="trouble"> · {silent} silent</strong>}
      <span className="quiet">
        {" "}
        · {rollout.grants} grants given · {brings(rollout)}
      </span>
    </p>
  );
}

export function RolloutCard({ rollout, whole }: { rollout: RolloutView; whole: boolean }) {
  const { phase } = rollout.state;
  const because = reasons(rollout);
  return (
    <article className={`rollout ${phase}`} data-rollout={rollout.id}>
      <header>
        <div>
          <h2>
            <Link to="/rollouts/$rollout" params={{ rollout: rollout.id }}>
              {rollout.name}
            </Link>
          </h2>
          <p className="standing">
            <strong className={`chip ${phase}`}>{phase}</strong> {where(rollout)}
          </p>
        </div>
        <StopButtons rollout={rollout} />
      </header>
      {because.length > 0 && (
        <ul className="because" aria-label="because">
          {because.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <Progress rollout={rollout} />
      {whole && rollout.waves.map((wave) => <WaveBar key={wave.wave} wave={wave} />)}
    </article>
  );
}
