// What the CLI prints: results on standard output as a table or one JSON document, notices on
// standard error, so that a pipe always gets something parseable.

/** Where text goes; a test gives arrays. */
export interface Output {
  readonly json: boolean;
  /** Standard output, one line. */
  line(text: string): void;
  /** Standard error, one line: progress and notices. */
  notice(text: string): void;
}

/** Prints `value` as JSON when asked to, else what `forPeople` makes of it. */
export function show<T>(
  output: Output,
  value: T,
  forPeople: (value: T) => readonly string[],
): void {
  if (output.json) output.line(JSON.stringify(value));
  else for (const line of forPeople(value)) output.line(line);
}

/** Columns of left-aligned text under a heading; an empty list says so. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return ["(none)"];
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const format = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [format(headings), ...rows.map(format)];
}

/** Epoch milliseconds as UTC text, or a dash. */
export function when(at: number | null): string {
  return at === null ? "-" : new Date(at).toISOString().replace("T", " ").slice(0, 19);
}

/** Bytes for people: `12.3 MB`. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}
