// Local time of day in an IANA time zone, from the platform's own zone data.
import type { EpochMs } from "@drover/shared/ids";
import type { LocalTime } from "../core/grant/window.ts";

const days: Readonly<Record<string, LocalTime["day"]>> = {
  Mon: "mon",
  Tue: "tue",
  Wed: "wed",
  Thu: "thu",
  Fri: "fri",
  Sat: "sat",
  Sun: "sun",
};

/** Null when the platform does not know the zone: then no window is open. */
export function localTimeIn(timeZone: string, now: EpochMs): LocalTime | null {
  const format = formatFor(timeZone);
  if (format === null) return null;
  const parts = new Map(format.formatToParts(now).map((part) => [part.type, part.value]));
  const day = days[parts.get("weekday") ?? ""];
  if (day === undefined) return null;
  const hour = Number(parts.get("hour") ?? "0");
  return { day, minute: hour * 60 + Number(parts.get("minute") ?? "0") };
}

function formatFor(timeZone: string): Intl.DateTimeFormat | null {
  const shape = { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  try {
    return new Intl.DateTimeFormat("en-US", { ...shape, timeZone });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
