// The generated grub.cfg against its model: the script runs in a shell whose commands stand in for
// GRUB's, once for every boot state the loader can tell apart.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BootEnv, initialEnv } from "@drover/shared/disk/boot-env";
import { rescueGrubConfig } from "@drover/shared/disk/esp";
import { grubConfig } from "@drover/shared/disk/grub-config";
import { type LoaderWorld, loaderStep } from "@drover/shared/disk/loader-model";
import { encodeSlotConfig } from "@drover/shared/disk/slot-config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const toolPath = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-loader-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function has(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { env: { PATH: toolPath } }).status === 0;
}

function check(path: string): void {
  execFileSync("grub-script-check", [path], { env: { PATH: toolPath } });
}

/** Every boot state that the loader can tell apart, and the unreadable one. */
function everyState(): (BootEnv | null)[] {
  const booleans = [true, false] as const;
  const reasons = ["cold", "fall", "resc"] as const;
  const states = (["a", "b"] as const).flatMap((def) =>
    booleans.flatMap((onTrial) =>
      [0, 1, 2, 3].flatMap((left) =>
        (["ab", "a", "b"] as const).flatMap((ok) =>
          reasons.map((why): BootEnv => {
            const candidate = def === "a" ? "b" : "a";
            return { ...initialEnv(def), seq: 1, try: onTrial ? candidate : "-", left, ok, why };
          }),
        ),
      ),
    ),
  );
  return [null, ...states];
}

describe("grub.cfg", () => {
  test.runIf(has("grub-script-check"))("and the rescue script are valid GRUB scripts", () => {
    const path = join(folder, "grub.cfg");
    for (const text of [grubConfig(), rescueGrubConfig(), rescueGrubConfig("10.0.0.1")]) {
      writeFileSync(path, text);
      check(path);
    }
  });

  // GRUB's script language is a subset of the shell's but for `set`, which assigns.
  const shell = `
function set { builtin declare -g "$1"; }
function regexp { disk=hd0; }
function [ { if builtin test "$1" = -f; then builtin true; else local -a w=("$@"); builtin unset "w[-1]"; builtin test "\${w[@]}"; fi; }
function source { case "$1" in *gpt3*|*gpt4*) slot_end=1;; esac; }
function load_env { builtin source "$WORK/env"; }
function save_env {
  builtin shift 2
  builtin [ "$SAVES" = 1 ] || return 1
  for n in "$@"; do builtin echo "$n=\${!n}" >>"$WORK/env"; done
}
function linux { case "$1" in *gpt3*) builtin [ "$LOADS_A" = 1 ];; *) builtin [ "$LOADS_B" = 1 ];; esac && builtin declare -g booted="$slot:$slot_why"; }
function initrd { return 0; }
function boot { builtin echo "RESULT $booted"; builtin exit 0; }
function linux16 { booted=rescue:resc; }
function initrd16 { return 0; }
function serial { return 1; }
function sleep { return 0; }
function reboot { builtin exit 3; }
prefix="(hd0,gpt2)/EFI/debian"; grub_platform=pc
`;

  function bootInShell(env: BootEnv | null, world: LoaderWorld): { result: string; env: string } {
    const rows =
      env === null
        ? ""
        : Object.entries(env)
            .map(([k, v]) => `${k}=${v}\n`)
            .join("");
    writeFileSync(join(folder, "env"), rows);
    // Parentheses are plain characters to GRUB outside of quotes, but not to the shell.
    const script = grubConfig().replaceAll("(hd", "\\(hd");
    const flag = (value: boolean): string => (value ? "1" : "0");
    const output = execFileSync("bash", ["--norc", "--noprofile", "-c", `${shell}\n${script}`], {
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
      env: {
        PATH: toolPath,
        WORK: folder,
        SAVES: flag(world.saveWorks),
        LOADS_A: flag(world.kernelLoads.a),
        LOADS_B: flag(world.kernelLoads.b),
      },
    });
    return {
      result: /^RESULT (.*)$/m.exec(output)?.[1] ?? output,
      env: readFileSync(join(folder, "env"), "latin1"),
    };
  }

  function lastValues(rows: string): Record<string, string> {
    return Object.fromEntries(
      rows
        .split("\n")
        .filter(Boolean)
        .map((row) => row.split("=", 2)),
    );
  }

  test.runIf(has("bash"))(
    "does what its model says, for every state and every failure",
    () => {
      const states = everyState();
      let compared = 0;
      for (const env of states) {
        for (let bits = 0; bits < 8; bits += 1) {
          const kernelLoads = { a: (bits & 1) === 0, b: (bits & 2) === 0 };
          const world = { saveWorks: (bits & 4) === 0, kernelLoads };
          const model = loaderStep(env, world);
          const real = bootInShell(env, world);
          const story = JSON.stringify({ env, world });
          expect(real.result, story).toBe(`${model.boots}:${model.why}`);
          if (model.env !== null) {
            const wanted = Object.entries(model.env).map(([k, v]) => [k, String(v)]);
            expect(lastValues(real.env), story).toEqual(Object.fromEntries(wanted));
          }
          compared += 1;
        }
      }
      expect(compared).toBe(8 * states.length);
    },
    300_000,
  );

  test.runIf(has("grub-script-check"))("takes slot.cfg as plain assignments", () => {
    const bytes = encodeSlotConfig({
      imageId: "ab".repeat(32),
      verityRootHash: "cd".repeat(32),
      saltHex: "ef".repeat(32),
      dataBlocks: 10,
      hashStartBlock: 256,
      kernelArguments: ["quiet"],
    });
    const path = join(folder, "slot.cfg");
    writeFileSync(path, bytes);
    check(path);
    expect(readFileSync(path, "latin1")).toMatch(/set slot_end='1'\n$/);
  });
});
