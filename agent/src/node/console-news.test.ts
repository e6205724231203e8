// The console tells each change once, in words a person can act on.
import { ImageId } from "@drover/shared/ids";
import { ReleaseRef } from "@drover/shared/release/release";
import { describe, expect, it } from "vitest";
import { firstState, type UpdateState } from "../core/update/state.ts";
import { newsBetween } from "./console-news.ts";

const imageId = ImageId.parse("ab".repeat(32));
const release = ReleaseRef.parse({
  ...{ name: "lite", semver: "2.0.0", channel: "stable", counter: 2, imageId },
});
const target = { kind: "change", release, rolloutId: null, rolloutEpoch: 0 } as const;
const before = firstState(0);

describe("the news of a node", () => {
  it("says that an image is committed", () => {
    const after: UpdateState = { ...before, committedImageId: imageId };
    expect(newsBetween(before, after)).toEqual(["committed abababab"]);
  });

  it("says that the node fell back by itself, from what and why", () => {
    const because = ["slot b was tried and did not prove itself"];
    const progress = { phase: "fallen-back", target, because, since: 0 } as const;
    const after: UpdateState = { ...before, progress, because };
    expect(newsBetween(before, after)).toEqual([
      "fell back by itself from abababab: slot b was tried and did not prove itself",
    ]);
  });

  it("is silent when nothing changed", () => {
    expect(newsBetween(before, { ...before, because: ["no release is assigned"] })).toEqual([]);
  });
});
