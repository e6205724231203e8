// The marks of the boot state and the loader's rules, walked as stories and as random histories.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { otherSlot, type Slot } from "../node/slot.ts";
import {
  armTrial,
  type BootEnv,
  commitTrial,
  encodeBootEnv,
  initialEnv,
  keepTrial,
  parseBootEnv,
  rejectTrial,
  requestOther,
  settle,
  trustSlot,
  withdrawSlot,
} from "./boot-env.ts";
import { latin1Bytes } from "./bytes.ts";
import { BootStateError, DiskFormatError, DiskInputError } from "./disk-errors.ts";
import { encodeGrubenv, parseGrubenv } from "./grubenv.ts";
import { loaderStep } from "./loader-model.ts";

const healthy = { saveWorks: true, kernelLoads: { a: true, b: true } };
const digest = "0123456789abcdef".repeat(4);

const slotArbitrary = fc.constantFrom<Slot>("a", "b");
const envArbitrary: fc.Arbitrary<BootEnv> = fc
  .record({
    v: fc.constant(1 as const),
    seq: fc.nat(),
    def: slotArbitrary,
    onTrial: fc.boolean(),
    left: fc.integer({ min: 0, max: 3 }),
    ok: fc.constantFrom<BootEnv["ok"]>("ab", "a", "b"),
    last: slotArbitrary,
    why: fc.constantFrom<BootEnv["why"]>("cold", "try", "fall", "late", "resc"),
    rej: fc.constantFrom("-", "01ab34ef"),
  })
  .map(({ onTrial, ...env }) => ({ ...env, try: onTrial ? otherSlot(env.def) : "-" }));

describe("environment block", () => {
  test("reads back any state, all of it in the first sector, the second sector '#'", () => {
    fc.assert(
      fc.property(envArbitrary, (env) => {
        const block = encodeBootEnv(env);
        expect(parseBootEnv(block)).toEqual(env);
        expect(block.length).toBe(1024);
        expect(block.subarray(512).every((byte) => byte === 0x23)).toBe(true);
      }),
    );
  });

  test("a torn second sector changes nothing, a torn first sector is refused", () => {
    const block = encodeBootEnv(initialEnv("a"));
    const torn = block.slice();
    torn.fill(0, 512);
    expect(parseBootEnv(torn)).toEqual(initialEnv("a"));
    torn.fill(0, 300, 512);
    expect(() => parseBootEnv(torn)).toThrow(DiskFormatError);
  });

  test("refuses more variables than one sector holds", () => {
    expect(() => encodeGrubenv(new Map([["x", "y".repeat(500)]]))).toThrow(DiskInputError);
    expect(() => encodeGrubenv(new Map([["x", "a\nb=c"]]))).toThrow(DiskInputError);
  });

  test("refuses what is no boot state", () => {
    for (const text of ["v=2\n", "v=1\n", "seq\n", "v=1\nv=1\n"]) {
      const block = latin1Bytes(`# GRUB Environment Block\n${text}`.padEnd(1024, "#"));
      expect(() => parseBootEnv(block), text).toThrow(DiskFormatError);
    }
    const rows = parseGrubenv(encodeBootEnv(initialEnv("a")));
    expect(() => parseBootEnv(encodeGrubenv(new Map([...rows, ["try", "a"]])))).toThrow(/trial/);
    expect(() => parseBootEnv(encodeGrubenv(new Map([...rows, ["x", "1"]])))).toThrow(/unknown/);
  });
});

describe("boot marks and loader", () => {
  test("a trial that passes moves the default, and the old slot stays a fallback", () => {
    const armed = armTrial(trustSlot(initialEnv("a"), "b"), "b", 3, 1);
    const boot = loaderStep(armed, healthy);
    expect(boot).toMatchObject({ boots: "b", why: "try", env: { left: 2, try: "b" } });
    const done = commitTrial(boot.env ?? armed, true);
    expect(done).toMatchObject({ def: "b", try: "-", ok: "ab", left: 0 });
    expect(loaderStep(done, healthy)).toMatchObject({ boots: "b", why: "cold", env: done });
  });

  test("a trial that never commits falls back to the default after its tries", () => {
    let env: BootEnv | null = armTrial(initialEnv("b"), "a", 2, 7);
    const boots: string[] = [];
    for (let power = 0; power < 5; power += 1) {
      const step = loaderStep(env, healthy);
      boots.push(`${step.boots}:${step.why}`);
      env = step.env;
    }
    expect(boots).toEqual(["a:try", "a:try", "b:fall", "b:cold", "b:cold"]);
    expect(env).toMatchObject({ try: "-", ok: "b", why: "fall" });
    expect(env && rejectTrial(env, digest)).toMatchObject({ rej: "01234567", try: "-" });
  });

  test("in idle the block is never written, whatever happens", () => {
    fc.assert(
      fc.property(envArbitrary, fc.boolean(), fc.boolean(), fc.boolean(), (env, s, a, b) => {
        const idle: BootEnv = { ...env, try: "-", why: env.why === "resc" ? "cold" : env.why };
        const step = loaderStep(idle, { saveWorks: s, kernelLoads: { a, b } });
        expect(step.env).toEqual(idle);
        expect(step.because.length).toBeGreaterThan(0);
      }),
    );
  });

  test("a trial boot is made only when it was counted", () => {
    fc.assert(
      fc.property(envArbitrary, fc.boolean(), fc.boolean(), fc.boolean(), (env, s, a, b) => {
        const step = loaderStep(env, { saveWorks: s, kernelLoads: { a, b } });
        if (step.why !== "try") return;
        expect(s).toBe(true);
        expect(step.boots).toBe(env.try);
        expect(step.env?.left).toBe(env.left - 1);
      }),
    );
  });

  test("from any state that is never marked again the default or rescue is reached in four boots", () => {
    fc.assert(
      fc.property(envArbitrary, (start) => {
        let env: BootEnv | null = start;
        for (let power = 0; power < 4; power += 1) env = loaderStep(env, healthy).env;
        expect(loaderStep(env, healthy).boots).toBe(start.def);
      }),
    );
  });

  test("a slot that is being written is never booted", () => {
    const writing = withdrawSlot(trustSlot(initialEnv("a"), "b"), "b");
    expect(
      loaderStep(writing, { saveWorks: true, kernelLoads: { a: false, b: true } }),
    ).toMatchObject({ boots: "rescue", why: "resc" });
    expect(() => withdrawSlot(writing, "a")).toThrow(BootStateError);
  });

  test("an unloadable default gives way to the other slot only when that is good", () => {
    const world = { saveWorks: true, kernelLoads: { a: false, b: true } };
    const both = trustSlot(initialEnv("a"), "b");
    expect(loaderStep(both, world)).toMatchObject({ boots: "b", why: "late", env: both });
    expect(settle(both, "b")).toMatchObject({ def: "b", ok: "b" });
    expect(loaderStep(initialEnv("a"), world).boots).toBe("rescue");
  });

  test("an unloadable candidate is given up at once", () => {
    const armed = armTrial(initialEnv("a"), "b", 3, 1);
    const world = { saveWorks: true, kernelLoads: { a: true, b: false } };
    expect(loaderStep(armed, world)).toMatchObject({ boots: "a", why: "fall", env: { try: "-" } });
  });

  test("the initrd's request ends a trial, moves the default, or asks for rescue once", () => {
    const armed = armTrial(initialEnv("a"), "b", 3, 1);
    expect(requestOther(armed, "b").env).toMatchObject({ try: "b", left: 0 });
    const both = trustSlot(initialEnv("a"), "b");
    expect(requestOther(both, "a").env).toMatchObject({ def: "b", ok: "b", why: "late" });
    const alone = requestOther(initialEnv("a"), "a").env;
    expect(alone.why).toBe("resc");
    const first = loaderStep(alone, healthy);
    expect(first).toMatchObject({ boots: "rescue", env: { why: "cold" } });
    expect(loaderStep(first.env, healthy).boots).toBe("a");
    expect(requestOther(both, "b").env).toMatchObject({ def: "a", ok: "a", why: "resc" });
  });

  test("an unreadable block boots slot a, then b, then rescue", () => {
    const loads = (a: boolean, b: boolean) =>
      loaderStep(null, { saveWorks: true, kernelLoads: { a, b } }).boots;
    expect([loads(true, true), loads(false, true), loads(false, false)]).toEqual([
      "a",
      "b",
      "rescue",
    ]);
  });

  test("orders to arm are refused when late, repeated ones refresh the count", () => {
    const armed = armTrial(initialEnv("a"), "b", 2, 5);
    expect(armTrial({ ...armed, left: 0 }, "b", 2, 5).left).toBe(2);
    expect(() => armTrial(armed, "b", 2, 4)).toThrow(BootStateError);
    expect(() => armTrial(initialEnv("a"), "a", 2, 1)).toThrow(BootStateError);
    expect(() => armTrial(initialEnv("a"), "b", 4, 1)).toThrow(DiskInputError);
    expect(keepTrial(armed).left).toBe(3);
    expect(keepTrial(initialEnv("a"))).toEqual(initialEnv("a"));
    expect(() => commitTrial(initialEnv("a"), true)).toThrow(BootStateError);
  });
});
