// When a site may be disturbed, judged in its own local time. An empty list of windows means always; a
// window whose end is not after its start runs over midnight.
import type { Window } from "@drover/shared/site/policy";

const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type DayName = (typeof dayNames)[number];

export interface LocalTime {
  readonly day: DayName;
  /** Minutes since local midnight. */
  readonly minuteOfDay: number;
}

export function isInWindow(windows: readonly Window[], local: LocalTime): boolean {
  return windows.length === 0 || windows.some((window) => covers(window, local));
}

function covers(window: Window, { day, minuteOfDay }: LocalTime): boolean {
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const isToday = window.days.includes(day);
  if (from < to) return isToday && minuteOfDay >= from && minuteOfDay < to;
  const yesterday = dayNames[(dayNames.indexOf(day) + 6) % 7] ?? day;
  return (isToday && minuteOfDay >= from) || (window.days.includes(yesterday) && minuteOfDay < to);
}

function minutesOf(timeOfDay: string): number {
  const [hours = "0", minutes = "0"] = timeOfDay.split(":");
  return Number(hours) * 60 + Number(minutes);
}
