// The wire form of a node's update state: what the centre is told, derived and never stored.

import type { SlotTable } from "@drover/shared/node/slot";
import type { Refusal, UpdateReport } from "@drover/shared/node/update-state";
import type { Progress, UpdateState } from "./state.ts";

export function updateReportOf(state: UpdateState): UpdateReport {
  const { progress } = state;
  const target = "target" in progress ? progress.target : null;
  const isFetching = progress.phase === "prefetching";
  return {
    phase: progress.phase,
    imageId: target?.release.imageId ?? null,
    rolloutId: target?.rolloutId ?? null,
    grantId: "grantId" in progress ? progress.grantId : null,
    attempt: Math.min(1000, state.attempt?.count ?? 0),
    since: progress.since,
    doneBytes: isFetching ? progress.doneBytes : 0,
    totalBytes: isFetching ? progress.totalBytes : readyBytes(progress),
    because: [...("because" in progress ? progress.because : state.because)],
  };
}

export function slotTableOf(state: UpdateState): SlotTable {
  return {
    booted: state.booted?.slot ?? null,
    a: state.slots.a,
    b: state.slots.b,
    measuredImageId: state.booted?.imageId ?? null,
  };
}

export function refusalsOf(state: UpdateState): Refusal[] {
  return state.refusals.map(({ imageId, at, because }) => ({ imageId, at, because }));
}

/** Bytes of the image being moved to, once its manifest is known. */
function readyBytes(progress: Progress): number {
  switch (progress.phase) {
    case "writing":
    case "verified":
    case "granted":
    case "trial":
    case "proving":
      return progress.target.totalBytes;
    default:
      return 0;
  }
}
