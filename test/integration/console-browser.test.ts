// The console in a real browser against a real control plane and hollow sites: what an operator sees is true,
// moves by itself, and stops what it says it stops.
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { sessionApi } from "@drover/shared/api/session-api";
import type { RolloutId } from "@drover/shared/ids";
import { subjects } from "@drover/shared/subjects";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { buildConsole } from "../story/console-bundle.ts";
import { type ConsoleFleet, raiseConsoleFleet } from "./console-fleet.ts";
import { type ConsoleBrowser, openBrowser } from "./console-page.ts";
import { beatBytes, connectSite, enrolSite } from "./scripted-site.ts";
import { type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

const hollowSites = 4;
/** Between a change at the centre and the page showing it. */
const liveMsMax = 3_000 * Number(process.env["DROVER_SLOWNESS"] ?? "1");
/** Runs in the page: keeps every text of the newest rollout's card with the time it was shown first. */
const keepSeen = `globalThis.seen = [];
new MutationObserver(() => {
  const text = document.querySelector("[data-rollout]")?.textContent ?? "";
  if (seen.at(-1)?.text !== text) seen.push({ at: Date.now(), text });
}).observe(document.body, { subtree: true, childList: true, characterData: true });`;
const patience = { timeout: 60_000, interval: 100 };
let centre: TestControlPlane;
let fleet: ConsoleFleet;
let browser: ConsoleBrowser;

const admin = () => centre.sender(centre.adminToken);
const view = (rollout: RolloutId) => call(admin(), rolloutApi.getRollout, { params: { rollout } });
const card = (rollout: RolloutId) => browser.page.locator(`[data-rollout="${rollout}"]`);
const phase = (rollout: RolloutId, word: string) =>
  card(rollout).locator(".chip", { hasText: new RegExp(`^${word}$`) });
const tile = async (label: string): Promise<number> => {
  const found = browser.page.locator(".tile", {
    has: browser.page.getByText(label, { exact: true }),
  });
  return Number(await found.locator("dd").textContent());
};

beforeAll(async () => {
  await buildConsole();
  browser = await openBrowser();
  centre = await withControlPlane();
  const site = await enrolSite(centre, "Berlin 1");
  await enrolSite(centre, "Never heard");
  const bus = await connectSite(centre, site);
  bus.publish(subjects.beat(site.id), beatBytes(site.id, 1));
  await bus.flush();
  await bus.close();
  fleet = await raiseConsoleFleet(centre, hollowSites);
  await vi.waitFor(async () => {
    const { items } = await call(admin(), fleetApi.listNodes, { query: {} });
    expect(items.filter((node) => node.running?.semver === "1.0.0")).toHaveLength(hollowSites);
  }, patience);
});
afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
  expect(await centre?.stop()).toBe(0);
});

test("A one-time link logs in once, and its second use is refused in words.", async () => {
  const { page } = browser;
  await page.goto(`${centre.url}/`);
  await page.waitForURL(/\/login$/);
  browser.complaints();
  const { code } = await call(admin(), sessionApi.loginLink);
  await page.goto("about:blank");
  await page.goto(`${centre.url}/login#${code}`);
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  await page.locator(".line.live").waitFor();
  expect(browser.complaints()).toEqual([]);
  await page.goto("about:blank");
  await page.goto(`${centre.url}/login#${code}`);
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").textContent()).toMatch(/one-time link was used/);
  await page.goto(`${centre.url}/`);
  await page.locator(".line.live").waitFor();
  browser.complaints();
});

test("The numbers of the fleet are the centre's own, hollow sites apart.", async () => {
  const { sites, nodes } = await call(admin(), fleetApi.fleet);
  expect(sites).toMatchObject({ total: 2, live: 1, never: 1 });
  await browser.page.getByText("Berlin 1").waitFor();
  const labels = ["sites", "live", "stale", "lost", "never heard", "nodes", "hollow sites, apart"];
  const shown = await Promise.all(labels.map(tile));
  expect(shown).toEqual([
    sites.total,
    sites.live,
    sites.stale,
    sites.lost,
    sites.never,
    nodes,
    hollowSites,
  ]);
  await browser.picture("fleet");
});

test("Waves move on the open page within seconds of the change, without a reload.", async () => {
  const { page } = browser;
  await page.evaluate(keepSeen);
  const rollout = await fleet.start(2, "spring cleaning");
  const startedAt = Date.now();
  await phase(rollout, "running").waitFor();
  expect(Date.now() - startedAt).toBeLessThan(liveMsMax);
  await browser.picture("running");
  await phase(rollout, "finished").waitFor({ timeout: patience.timeout });
  const { state } = await view(rollout);
  if (state.phase !== "finished") throw new Error(`the rollout is ${state.phase}`);
  const seen = await page.evaluate<{ at: number; text: string }[]>("seen");
  const finished = seen.find(({ text }) => text.includes("finished"));
  expect((finished?.at ?? Number.POSITIVE_INFINITY) - state.at).toBeLessThan(liveMsMax);
  const history = seen.map(({ text }) => text).join("\n");
  expect(history).toMatch(/wave 1 of 2, updating/);
  expect(history).toMatch(/wave 2 of 2, updating/);
  expect(history).toMatch(/granted|in trial boot|proving/);
  expect(await card(rollout).getByRole("button").count()).toBe(0);
  expect(browser.complaints()).toEqual([]);
});

test("A rollout that its verdict halted says why, and offers no word that means nothing.", async () => {
  const rollout = await fleet.start(3, "bad kernel");
  await phase(rollout, "halted").waitFor({ timeout: patience.timeout });
  const { state } = await view(rollout);
  if (state.phase !== "halted") throw new Error(`the rollout is ${state.phase}`);
  const said = await card(rollout).getByLabel("because").textContent();
  for (const reason of state.because) expect(said).toContain(reason);
  expect(await card(rollout).getByRole("button").count()).toBe(0);
  await browser.picture("halted");
  await card(rollout).getByRole("link").click();
  await browser.page.getByText("fell back by itself").first().waitFor();
  await browser.picture("rollout");
  await browser.page.getByRole("link", { name: "Drover" }).click();
  expect(browser.complaints()).toEqual([]);
});

test("A person pauses, resumes and halts with a reason, and without one nothing is sent.", async () => {
  const rollout = await fleet.start(4, "long soak", 600_000);
  const own = card(rollout);
  const dialog = own.getByRole("dialog");
  const say = async (word: string, reason: string) => {
    await own.getByRole("button", { name: word, exact: true }).click();
    await dialog.getByRole("textbox").fill(reason);
    await dialog.getByRole("button", { name: `${word} this rollout` }).click();
  };
  await phase(rollout, "running").waitFor();
  await say("pause", "");
  expect(await dialog.isVisible()).toBe(true);
  expect((await view(rollout)).state.phase).toBe("running");
  await browser.picture("dialog");
  await dialog.getByRole("textbox").fill("shop is full");
  await dialog.getByRole("button", { name: "pause this rollout" }).click();
  await phase(rollout, "paused").waitFor();
  expect((await view(rollout)).state).toMatchObject({ phase: "paused", because: ["shop is full"] });
  await say("resume", "shop is empty");
  await phase(rollout, "running").waitFor();
  await say("halt", "smoke in the shop");
  await phase(rollout, "halted").waitFor();
  expect((await view(rollout)).state).toMatchObject({
    phase: "halted",
    because: ["smoke in the shop"],
  });
  expect(await own.getByLabel("because").textContent()).toContain("smoke in the shop");
  expect(browser.complaints()).toEqual([]);
});

test("A page whose centre is gone says so, and heals by itself when the centre is back.", async () => {
  const { page } = browser;
  const restarted = centre.crashAndRestart();
  await page.locator(".line.broken").waitFor({ timeout: liveMsMax });
  expect(await page.locator(".banner").textContent()).toMatch(/Not live since/);
  await browser.picture("broken");
  await restarted;
  await page.locator(".line.live").waitFor({ timeout: patience.timeout });
  expect(await page.locator(".banner").count()).toBe(0);
  const body = { name: "after the fall", region: "emea/de" };
  await call(admin(), fleetApi.createSite, { body });
  await page.getByText("after the fall").waitFor({ timeout: liveMsMax });
});

test("The page fits a telephone: nothing but tables scrolls sideways.", async () => {
  const { page } = browser;
  await page.setViewportSize({ width: 360, height: 740 });
  const root = "document.documentElement";
  const overflow = await page.evaluate<number>(`${root}.scrollWidth - ${root}.clientWidth`);
  expect(overflow).toBe(0);
});
