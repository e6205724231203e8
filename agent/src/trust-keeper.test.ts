// What a site lets itself be convinced of: nothing unsigned, nothing older, nothing for somebody else.
import { ChannelName, type SiteId } from "@drover/shared/ids";
import { expect, test } from "vitest";
import { ordersFor } from "./core/site/orders-for.ts";
import { FakeCentre, testNode, testRelease, testSite } from "./site/fake-centre.ts";
import { TrustKeeper } from "./trust-keeper.ts";

const stable = ChannelName.parse("stable");
const now = 1_800_000_000_000;

function start() {
  const centre = new FakeCentre([testNode(1)]);
  const keeper = TrustKeeper.first(testSite, centre.root, centre.trustFile());
  return { centre, keeper };
}
const ordersOf = (keeper: TrustKeeper, at = now) =>
  keeper.view && ordersFor(testNode(1).id, keeper.view, at);

test("Desired state is taken by generation; an older or equal one changes nothing.", () => {
  const { centre, keeper } = start();
  const first = centre.desiredBody();
  centre.assign(testRelease("2", 2));
  expect(keeper.learnDesired(centre.desiredBody())).toBe(true);
  expect(keeper.learnDesired(centre.desiredBody())).toBe(false);
  expect(keeper.learnDesired(first)).toBe(false);
  expect(keeper.generation).toBe(2);
});

test("Desired state signed by another fleet, or for another site, is refused.", () => {
  const { centre, keeper } = start();
  expect(() => keeper.learnDesired(new FakeCentre([]).desiredBody())).toThrow(
    "not signed by enough",
  );
  const other = { ...centre.desired, site: "s-other001" as SiteId };
  expect(() => keeper.learnDesired(centre.desiredBody(other))).toThrow("is for site s-other001");
});

test("A signed document of another type is refused as desired state.", () => {
  const { centre, keeper } = start();
  const swapped = { generation: 9, document: centre.trustFile() };
  expect(() => keeper.learnDesired(swapped)).toThrow("expected a document of type");
});

test("Release metadata never goes back, and one version has one form.", () => {
  const { centre, keeper } = start();
  centre.releaseVersion = 2;
  const second = centre.releaseMetadata();
  expect(keeper.learnReleases(stable, second)).toBe(true);
  expect(keeper.learnReleases(stable, second)).toBe(false);
  centre.releases = [];
  expect(() => keeper.learnReleases(stable, centre.releaseMetadata())).toThrow("two forms");
  centre.releaseVersion = 1;
  expect(() => keeper.learnReleases(stable, centre.releaseMetadata())).toThrow(
    "below the remembered 2",
  );
});

test("The trust file changes only by a higher serial; an older one is refused.", () => {
  const { centre, keeper } = start();
  expect(keeper.learnTrustFile(centre.trustFile({ serial: 3, acceptedChannels: ["dev"] }))).toBe(
    true,
  );
  expect(keeper.trustFile.acceptedChannels).toEqual(["dev"]);
  expect(() => keeper.learnTrustFile(centre.trustFile({ serial: 2 }))).toThrow("is older than 3");
});

test("An assignment counts only when an accepted channel signs it and nothing has expired.", () => {
  const { centre, keeper } = start();
  centre.assign(testRelease("2", 2));
  keeper.learnDesired(centre.desiredBody());
  expect(ordersOf(keeper)?.because).toContain(
    "no release metadata of channel stable has been verified yet",
  );
  keeper.learnReleases(stable, centre.releaseMetadata());
  expect(ordersOf(keeper)?.assigned?.release).toEqual(testRelease("2", 2));
  const late = ordersOf(keeper, 5_000_000_000_000);
  expect(late?.assigned).toBeNull();
  expect(late?.committed, "expiry never fails a repair").toEqual(testRelease("1", 1));
});

test("A release that nobody signed is neither installed nor repaired.", () => {
  const { centre, keeper } = start();
  centre.releases = [testRelease("1", 1)];
  centre.assign(testRelease("9", 2));
  keeper.learnReleases(stable, centre.releaseMetadata());
  keeper.learnDesired(centre.desiredBody());
  expect(ordersOf(keeper)?.assigned).toBeNull();
  expect(ordersOf(keeper)?.because[0]).toContain("has no signed release till@2.0.0");
});

test("Everything learnt is verified again after a restart, and signed time never steps back.", () => {
  const { centre, keeper } = start();
  keeper.learnReleases(stable, centre.releaseMetadata());
  keeper.learnDesired(centre.desiredBody());
  const again = new TrustKeeper(testSite, keeper.memory);
  expect(again.generation).toBe(1);
  expect(again.timeAt(0)).toBe(centre.desired.issuedAt);
  const forged = { ...keeper.memory, desired: new FakeCentre([]).desiredBody() };
  expect(() => new TrustKeeper(testSite, forged)).toThrow("not signed by enough");
});
