// Windows against local time, over midnight too.
import { describe, expect, it } from "vitest";
import { isWindowOpen } from "./window.ts";

const night = { days: ["mon" as const], from: "22:00", to: "04:00" };
const at = (day: "mon" | "tue" | "sun", hour: number) => ({ day, minute: hour * 60 });

describe("a window", () => {
  it("is always open when none is written", () => {
    expect(isWindowOpen([], at("sun", 3))).toBe(true);
  });

  it("holds its start and not its end", () => {
    const day = { days: ["mon" as const], from: "08:00", to: "10:00" };
    expect([7, 8, 9, 10].map((hour) => isWindowOpen([day], at("mon", hour)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(isWindowOpen([day], at("tue", 9))).toBe(false);
  });

  it("that starts on one evening goes on in the next morning, and not in the one before", () => {
    expect(isWindowOpen([night], at("mon", 23))).toBe(true);
    expect(isWindowOpen([night], at("tue", 3))).toBe(true);
    expect(isWindowOpen([night], at("tue", 4))).toBe(false);
    expect(isWindowOpen([night], at("mon", 3))).toBe(false);
  });
});
