// Every command of `drover` against a real control plane, with and without --json: exit code, a parseable
// standard output, and one sentence when something is wrong.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderSink } from "@drover/images/distribution/content-sink";
import type { NodeView, SiteView } from "@drover/shared/api/fleet-api";
import type { PlanView, RolloutView } from "@drover/shared/api/rollout-api";
import type { ImageId, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import { sha256Hex } from "@drover/shared/trust/digest";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type MadeImage, makeImage, noise } from "./agent-images.ts";
import {
  type Ended,
  environment,
  runCli,
  runShell,
  type StartedCli,
  startCli,
} from "./cli-program.ts";
import { type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

const scratch = mkdtempSync(join(tmpdir(), "drover-cli-"));
const store = join(scratch, "built");
const keys = () => ["--keys", join(centre.data, "keys")];
let centre: TestControlPlane;
let images: MadeImage[] = [];
let site: SiteId;
let node: NodeId;
let running: StartedCli | undefined;
let drafted: { rollout: RolloutView; plan: PlanView };

const drover = (...args: readonly string[]): Promise<Ended> => runCli(environment(centre), args);
async function json<T>(...args: readonly string[]): Promise<T> {
  const ended = await drover(...args, "--json");
  expect(ended, ended.err).toMatchObject({ code: 0 });
  return JSON.parse(ended.out) as T;
}
const imageId = (at: number): ImageId => {
  const image = images[at];
  if (!image) throw new Error(`there is no image ${at}`);
  return image.imageId;
};

beforeAll(async () => {
  // A build needs the agent as one file; without it the build would fail before it can be cancelled.
  execFileSync(process.execPath, [join(import.meta.dirname, "../../agent/build.mjs")]);
  centre = await withControlPlane();
  const first = await makeImage(scratch, store, noise(5, 200_000));
  const second = await makeImage(scratch, store, noise(6, 200_000), first);
  images = [first, second];
  const empty = join(scratch, "empty");
  writeFileSync(empty, "");
  await folderSink(store).putFile({ kind: "file", digest: sha256Hex("") }, empty);
});
afterAll(async () => {
  // A test that failed half-way leaves no program behind.
  await running?.end("SIGTERM");
  rmSync(scratch, { recursive: true, force: true });
  expect(await centre?.stop()).toBe(0);
});

describe("commands that change something", () => {
  test("Pushing an image sends what is missing, and nothing the second time.", async () => {
    type Pushed = { images: { id: ImageId }[]; sentObjects: number; sentBytes: number };
    const pushed = await json<Pushed>("image", "push", store);
    expect(pushed.images.map(({ id }) => id).sort()).toEqual([imageId(0), imageId(1)].sort());
    expect(pushed.sentBytes).toBeGreaterThan(200_000);
    const again = await json<Pushed>("image", "push", store);
    expect(again).toMatchObject({ sentObjects: 0, sentBytes: 0 });
    const plain = await drover("image", "push", store);
    expect(plain.out).toContain(imageId(0));
    expect(plain.err).toContain("the centre lacks 0 of");
  });

  test("Promoting and withdrawing sign with keys that stay here.", async () => {
    for (const [at, label] of ["lite@1.0.0", "lite@2.0.0"].entries())
      await json("channel", "promote", "dev", label, imageId(at), ...keys());
    const repeated = await drover("channel", "promote", "dev", "lite@2.0.0", imageId(0), ...keys());
    expect(repeated).toMatchObject({ code: 1, out: "" });
    expect(repeated.err).toContain("a release never changes its image");
    await json("channel", "promote", "dev", "lite@3.0.0", imageId(0), ...keys());
    const withdraw = ["withdraw", "dev", "lite@3.0.0", "--reason", "leaks", ...keys()];
    expect((await drover("channel", ...withdraw)).out).toMatch(/dev is at metadata version 4/);
  });

  test("A class, a site and its node are made, classified, held and let go.", async () => {
    await json("class", "set", "lite", "--release", "lite@1.0.0", "--root-mib", "512");
    const made = await drover("site", "create", "Berlin 1", "--region", "emea/de/berlin");
    expect(made.out).toMatch(/^s-\w+\ndrover1\./);
    site = made.out.split("\n")[0] as SiteId;
    const mac = ["--mac", "52:54:00:AA:00:01"];
    node = (await json<NodeView>("node", "register", site, ...mac)).id;
    expect((await json<NodeView>("node", "classify", node, "lite")).class).toBe("lite");
    expect((await drover("node", "hold", node)).out).toMatch(/^n-\w+ at s-\w+, class lite, held/);
    expect((await json<NodeView>("node", "release-hold", node)).hold).toBe(false);
    const why = ["--reason", "for the test"];
    expect((await drover("node", "install", node, ...why)).code).toBe(0);
    expect((await drover("node", "clear-refusal", node, ...why)).code).toBe(0);
    const enrolment = await drover("site", "enrolment", site);
    expect(enrolment.out).toMatch(/^drover1\./);
  });

  test("A site changes its standing with a reason.", async () => {
    for (const [verb, status] of [
      ["quarantine", "quarantined"],
      ["decommission", "decommissioned"],
      ["reactivate", "active"],
    ] as const) {
      const view = await json<SiteView>("site", verb, site, "--reason", "for the test");
      expect(view.status).toBe(status);
    }
    expect((await drover("site", "quarantine", site)).code).toBe(2);
  });

  test("Freezing stops starts until the fleet is unfrozen.", async () => {
    const why = ["--reason", "restored a backup"];
    expect(await json("fleet", "freeze", ...why)).toMatchObject({ frozen: true });
    expect((await drover("fleet")).out).toMatch(/frozen: no grant is given/);
    expect((await drover("fleet", "freeze")).code).toBe(2);
    expect((await drover("fleet", "unfreeze", ...why)).out).not.toMatch(/frozen/);
  });
});

describe("a rollout", () => {
  test("is drafted, started against its plan, and told every word.", async () => {
    const create = ["create", "spring", "--release", "lite=lite@2.0.0", "--wave", "1"];
    drafted = await json("rollout", ...create, "--soak-ms", "0", "--silence-ms", "600000");
    const id = drafted.rollout.id;
    expect((await drover("rollout", "start", id, "--plan", "f".repeat(64))).code).toBe(1);
    await json("rollout", "start", id, "--plan", drafted.plan.hash);
    const words = [
      ["pause", "paused"],
      ["resume", "running"],
      ["halt", "halted"],
      ["un-halt", "running"],
    ];
    for (const [word = "", phase] of words) {
      const told = await json<RolloutView>("rollout", word, id, "--reason", "for the test");
      expect(told.state.phase).toBe(phase);
    }
    const all = await json<{ halted: RolloutId[] }>("halt", "--all", "--reason", "smoke");
    expect(all.halted).toEqual([id]);
    const waited = await drover("rollout", "wait", id, "--json");
    expect(waited.code).toBe(3);
    expect(JSON.parse(waited.out)).toMatchObject({ state: { phase: "halted" } });
    const back = await drover("rollout", "roll-back", id, "--reason", "for the test");
    expect(back).toMatchObject({ code: 1, out: "" });
    expect((await drover("rollout", "cancel", id, "--reason", "enough")).out).toMatch(/cancelled/);
    expect((await drover("rollout", "wait", id)).code).toBe(4);
    const late = await drover("rollout", "pause", id, "--reason", "too late");
    expect(late).toMatchObject({ code: 1, out: "" });
    expect(late.err).toMatch(/^drover: .+\(word-refused\)\n$/);
  });
});

test("A build is queued and cancelled, and an unknown recipe is refused.", async () => {
  const unknown = await drover("image", "build", "no-such-recipe");
  expect(unknown).toMatchObject({ code: 1, out: "" });
  expect(unknown.err).toMatch(/^drover: .+\n$/);
  const made = await json<{ id: string }>("image", "build", "lite", "--detach");
  expect((await drover("image", "cancel", made.id)).code).toBe(0);
  expect((await json<{ id: string }[]>("image", "builds")).map(({ id }) => id)).toEqual([made.id]);
});

describe("commands that only read", () => {
  const rows: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    ["fleet", () => ["fleet"], /^sites +1 /],
    ["login-link", () => ["login-link"], /^[\w-]{16,}\n$/],
    ["site list", () => ["site", "list"], /^SITE .*\ns-/],
    ["site show", () => ["site", "show", site], /Berlin 1/],
    ["node list", () => ["node", "list", "--site", site], /^NODE .*\nn-/],
    ["node show", () => ["node", "show", node], /class lite/],
    ["class list", () => ["class", "list"], /^lite: installs lite@1.0.0/],
    ["image list", () => ["image", "list"], /lite@2\.0\.0/],
    ["image builds", () => ["image", "builds"], /^BUILD .*\nb-/],
    ["image wan-bill", () => ["image", "wan-bill", imageId(1), "--from", imageId(0)], / by \w+ \(/],
    ["channel list", () => ["channel", "list", "dev"], /withdrawn: leaks/],
    ["rollout list", () => ["rollout", "list"], /spring +cancelled/],
    ["rollout show", () => ["rollout", "show", drafted.rollout.id], /cancelled/],
    ["rollout plan", () => ["rollout", "plan", drafted.rollout.id], /^plan [0-9a-f]{64}\n/],
    ["rollout sites", () => ["rollout", "sites", drafted.rollout.id], /^SITE .*\ns-/],
    ["why site", () => ["why", "site", site], /^.+: .+\n/],
    ["why node", () => ["why", "node", node], /^.+: .+\n/],
    ["why rollout", () => ["why", "rollout", drafted.rollout.id], /cancelled/],
  ];
  test.each(rows)("%s answers people in lines and programs in one document.", async (...row) => {
    const [, args, pattern] = row;
    const [plain, document] = await Promise.all([drover(...args()), drover(...args(), "--json")]);
    expect(plain, plain.err).toMatchObject({ code: 0, err: "" });
    expect(plain.out).toMatch(pattern);
    expect(document, document.err).toMatchObject({ code: 0, err: "" });
    expect(document.out.trimEnd()).not.toContain("\n");
    expect(() => JSON.parse(document.out)).not.toThrow();
  });
});

test("A reader that closes the pipe early is no failure.", async () => {
  const line = "$DROVER site list | head -n 1; echo $?";
  const { out, err } = await runShell(environment(centre), line);
  expect(err).toBe("");
  expect(out).toMatch(/^SITE .*\n0\n$/);
});

describe("what goes wrong", () => {
  const unknown = "s-aaaaaaaaaaaaaaaaaaaa";
  test("is said in one sentence with exit code 1.", async () => {
    const nobody = { DROVER_TOKEN: "not-a-token" };
    const nowhere = { DROVER_URL: "https://127.0.0.1:1" };
    const cases: [Record<string, string>, string[], RegExp][] = [
      [nowhere, ["fleet"], /^drover: cannot reach the control plane at https:\/\/127\.0\.0\.1:1/],
      [nobody, ["fleet"], /^drover: this access token is not known or has expired/],
      [{}, ["site", "show", unknown], /^drover: .*s-aaaa/],
      [{}, ["why", "site", unknown], /^drover: .*s-aaaa/],
      [{}, ["node", "show", "n-aaaaaaaaaaaaaaaaaaaa"], /^drover: .*n-aaaa/],
      [{}, ["rollout", "wait", "r-aaaaaaaaaaaaaaaaaaaa"], /^drover: .*r-aaaa/],
      [{}, ["image", "push", join(scratch, "nothing")], /holds no image/],
      [{ DROVER_URL: "http://127.0.0.1" }, ["fleet"], /starts with https:/],
      [{ DROVER_CA: "/nonexistent/ca" }, ["fleet"], /\/nonexistent\/ca, which is not there/],
    ];
    for (const [env, args, sentence] of cases) {
      const ended = await runCli(environment(centre, env), args);
      expect(ended).toMatchObject({ code: 1, out: "" });
      expect(ended.err).toMatch(sentence);
      expect(ended.err.trimEnd()).not.toContain("\n");
    }
  });

  test("in the words typed is said with exit code 2.", async () => {
    const cases = [
      ["nonsense"],
      ["site", "show", "nonsense"],
      ["site", "list", "--limit", "many"],
      ["rollout", "create", "x", "--release", "lite=lite@2.0.0", "--wave", "some"],
      ["node", "register", site, "--mac", "nonsense"],
    ];
    for (const args of cases) {
      const ended = await drover(...args);
      expect(ended, args.join(" ")).toMatchObject({ code: 2, out: "" });
    }
  });
});

test("A rehearsal runs hollow sites until Ctrl-C, and leaves none behind.", async () => {
  const wrong = join(scratch, "faults.json");
  writeFileSync(wrong, JSON.stringify([{ seed: 1, kind: "burns" }]));
  const base = ["rehearse", "--sites", "3", "--class", "lite"];
  const refused = await drover(...base, "--faults", wrong);
  expect(refused).toMatchObject({ code: 1, out: "" });
  running = startCli(environment(centre), [...base, "--json"]);
  const hollow = async () => (await json<SiteView[]>("site", "list")).filter((each) => each.hollow);
  await vi.waitFor(
    async () => {
      const live = (await hollow()).filter((each) => each.reachability === "live");
      expect(live).toHaveLength(3);
    },
    { timeout: 60_000, interval: 500 },
  );
  const told = JSON.parse(running.out()) as { sites: SiteId[] };
  expect(told.sites.sort()).toEqual((await hollow()).map(({ id }) => id).sort());
  const ended = await running.end("SIGINT");
  expect(ended, ended.err).toMatchObject({ code: 0 });
  expect((await hollow()).map(({ status }) => status)).toEqual(Array(3).fill("decommissioned"));
});
