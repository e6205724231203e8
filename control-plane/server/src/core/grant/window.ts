// When a site may be disturbed: its windows against a local time of day that the caller worked out for
// the site's own time zone. A window whose end is not after its start runs over midnight.
import type { Window } from "@drover/shared/site/policy";

export interface LocalTime {
  readonly day: Window["days"][number];
  /** Minutes since local midnight, 0 to 1439. */
  readonly minute: number;
}

const week: readonly LocalTime["day"][] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** An empty list means always. */
export function isWindowOpen(windows: readonly Window[], local: LocalTime): boolean {
  return windows.length === 0 || windows.some((window) => covers(window, local));
}

function covers({ days, from, to }: Window, { day, minute }: LocalTime): boolean {
  const start = minuteOf(from);
  const end = minuteOf(to);
  if (start < end) return days.includes(day) && minute >= start && minute < end;
  const yesterday = week[(week.indexOf(day) + 6) % 7];
  const startedToday = days.includes(day) && minute >= start;
  const startedYesterday = yesterday !== undefined && days.includes(yesterday) && minute < end;
  return startedToday || startedYesterday;
}

function minuteOf(timeOfDay: string): number {
  const [hours, minutes] = timeOfDay.split(":");
  return Number(hours) * 60 + Number(minutes);
}
