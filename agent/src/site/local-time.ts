// Day and minute at a site, in the site's own time zone.
import type { DayName, LocalTime } from "../core/site/window.ts";

/** `timeZone` is an IANA name; throws RangeError for an unknown one. */
export function localTimeAt(epochMs: number, timeZone: string): LocalTime {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = new Map(format.formatToParts(epochMs).map(({ type, value }) => [type, value]));
  return {
    day: (parts.get("weekday") ?? "sun").toLowerCase() as DayName,
    minuteOfDay: Number(parts.get("hour") ?? 0) * 60 + Number(parts.get("minute") ?? 0),
  };
}
