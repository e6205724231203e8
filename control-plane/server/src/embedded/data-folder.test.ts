// The data folder refuses everything it can't safely use, with one sentence and a stable code each.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataFolder } from "./data-folder.ts";
import { identifyProcess } from "./process-identity.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-data-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () => openDataFolder(folder, { freeBytesMin: 0 });

test("a second open of a folder in use is refused and names the process", () => {
  const first = open();
  // Twice: a refused open must not give away the lock it did not get.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    expect(open).toThrow(
      expect.objectContaining({
        code: "data-folder-in-use",
        message: expect.stringContaining(`process ${process.pid}`),
      }),
    );
  }
  first.release();
  open().release();
});

test("a lock of a process that ended, or whose id now belongs to another, is taken over", () => {
  const self = identifyProcess(process.pid);
  for (const stale of [
    { ...self, startTicks: "1" },
    { ...self, bootId: "an earlier boot" },
  ]) {
    writeFileSync(join(folder, "lock"), JSON.stringify(stale));
    open().release();
  }
  writeFileSync(join(folder, "lock"), "torn");
  open().release();
});

test("a part is made on first use inside the folder", () => {
  const opened = open();
  expect(opened.part("tls")).toBe(join(opened.path, "tls"));
  expect(JSON.parse(readFileSync(join(folder, "format"), "utf8"))).toEqual({ format: 1 });
  opened.release();
});

test("a folder with other things in it is left alone", () => {
  writeFileSync(join(folder, "thesis.txt"), "");
  expect(open).toThrow(expect.objectContaining({ code: "data-folder-broken" }));
});

test.each([
  ["not json", "data-folder-broken"],
  ['{"format":0}', "data-folder-broken"],
  ['{"format":99}', "data-folder-too-new"],
])("a format file that reads %s is refused", (text, code) => {
  writeFileSync(join(folder, "format"), text);
  expect(open).toThrow(expect.objectContaining({ code }));
});

test("a path that is a file is refused", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => openDataFolder(join(folder, "file"))).toThrow(
    expect.objectContaining({ code: "data-folder-broken" }),
  );
});

test("too little free space is said with the figure", () => {
  mkdirSync(join(folder, "new"));
  expect(() => openDataFolder(join(folder, "new"), { freeBytesMin: 2 ** 60 })).toThrow(
    expect.objectContaining({ code: "disk-full", message: expect.stringMatching(/\d+ MiB free/) }),
  );
});
