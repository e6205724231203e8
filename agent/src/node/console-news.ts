// Turns changes of the update state into lines for the console, each said once: what a person who
// stands before the node, or a test, wants to know.
import type { UpdateState } from "../core/update/state.ts";

const short = (imageId: string | null): string => imageId?.slice(0, 8) ?? "none";

/** Lines for the step from `before` to `after`. */
export function newsBetween(before: UpdateState, after: UpdateState): string[] {
  const lines: string[] = [];
  const phase = after.progress.phase;
  if (after.committedImageId !== before.committedImageId)
    lines.push(`committed ${short(after.committedImageId)}`);
  if (phase === before.progress.phase) return lines;
  const target =
    "target" in after.progress ? ` ${short(after.progress.target.release.imageId)}` : "";
  const because = after.because.join("; ");
  if (phase === "fallen-back") lines.push(`fell back by itself from${target}: ${because}`);
  else if (phase === "inconclusive") lines.push(`trial of${target} was inconclusive: ${because}`);
  else if (phase !== "steady") lines.push(`${phase}${target}: ${because}`);
  return lines;
}
