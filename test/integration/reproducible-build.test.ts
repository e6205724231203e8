// An image is the same bytes wherever, whenever and by whomever it is built.
import { it } from "vitest";
import { expectSameTwice } from "./build-twice.ts";

it("two builds from empty caches, in other folders, by other users, on other days make one image", {
  timeout: 1_200_000,
}, async () => {
  await expectSameTwice("lite");
});
