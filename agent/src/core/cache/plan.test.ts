// What the site cache fetches, keeps and evicts.
import { expect, test } from "vitest";
import { FakeCentre, testNode, testRelease } from "../../site/fake-centre.ts";
import { planCache } from "./plan.ts";

const centre = new FakeCentre([testNode(1)]);
centre.assign(testRelease("2", 2));
const { desired } = centre;
const cached = (digit: string, wantedAt: number, isWhole = true) => ({
  imageId: testRelease(digit, 1).imageId,
  isWhole,
  wantedAt,
});
const always = () => true;

test("The committed release comes before the assigned one, and what is whole is not fetched.", () => {
  const fetched = planCache(desired, [], always).fetch.map(({ counter }) => counter);
  expect(fetched).toEqual([1, 2]);
  expect(planCache(desired, [cached("1", 0)], always).fetch.map(({ counter }) => counter)).toEqual([
    2,
  ]);
});

test("Only releases that an accepted channel signs are fetched, and the reason is said.", () => {
  const plan = planCache(desired, [], ({ counter }) => counter === 1);
  expect(plan.fetch.map(({ counter }) => counter)).toEqual([1]);
  expect(plan.because).toEqual(["till@2.0.0 is not signed for this site and is not fetched"]);
});

test("As many other images as the policy keeps stay, the newest first; wanted ones are never evicted.", () => {
  const images = [
    cached("1", 0),
    cached("2", 0),
    cached("7", 10),
    cached("8", 30),
    cached("9", 20),
  ];
  expect(planCache(desired, images, always).evict).toEqual([testRelease("7", 1).imageId]);
  expect(planCache(desired, [cached("6", 99, false)], always).evict).toEqual([
    testRelease("6", 1).imageId,
  ]);
});
