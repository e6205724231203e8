// The console log: whole lines whatever the pieces, escape codes gone, and waiting that ends.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConsoleLog } from "./console-log.ts";

let folder = "";
let log: ConsoleLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-console-"));
  log = new ConsoleLog("vm", join(folder, "console.log"));
});
afterEach(() => {
  log.end("the test is over");
  rmSync(folder, { recursive: true });
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("lines are put together from pieces and stripped of escape codes", () => {
  log.write(text("\u001b[2J\u001b[1;1Hfirst li"));
  log.write(text("ne\r\n\u0007second\nrest"));
  expect(log.lines.map((line) => line.text)).toEqual(["first line", "second"]);
});

test("an escape code that arrives in two pieces leaves nothing behind", () => {
  log.write(text("ready \u001b[1;"));
  log.write(text("31mnow\n"));
  expect(log.lines.map((line) => line.text)).toEqual(["ready now"]);
});

test("waiting finds a line already seen, or the next one, after a given place", async () => {
  log.write(text("one\n"));
  expect((await log.waitFor(/one/, 1000)).text).toBe("one");
  const next = log.waitFor(/one/, 1000, log.lines.length);
  log.write(text("one more\n"));
  expect((await next).text).toBe("one more");
});

test("waiting ends with the last lines when time is over or the computer is gone", async () => {
  log.write(text("stuck here\n"));
  await expect(log.waitFor(/never/, 10)).rejects.toThrow(/10 ms passed; last: stuck here/);
  const waiting = log.waitFor(/never/, 10_000);
  log.end("QEMU ended with SIGKILL");
  await expect(waiting).rejects.toThrow(/QEMU ended with SIGKILL/);
  await expect(log.waitFor(/never/, 10_000)).rejects.toThrow(/QEMU ended/);
});

test("everything is kept in the file with its time, and nothing comes after the end", () => {
  log.write(text("kept\n"));
  log.end("done");
  log.note("too late");
  expect(readFileSync(join(folder, "console.log"), "utf8")).toMatch(/^\[ +\d+\.\d\d\] kept\n$/);
});
