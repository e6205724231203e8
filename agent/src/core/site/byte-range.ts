// One HTTP byte range (RFC 9110 §14). Anything but a single range reads as the whole file, which a
// server is free to send.

export interface ByteRange {
  readonly first: number;
  readonly length: number;
}

/** The range asked for, undefined for the whole file, or that it lies outside the file. */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | undefined | "unsatisfiable" {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? "");
  const from = match?.[1] ?? "";
  const to = match?.[2] ?? "";
  if (from === "" && to === "") return undefined;
  const first = from === "" ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const last = from === "" || to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (from !== "" && to !== "" && Number(to) < Number(from)) return undefined;
  if (first >= sizeBytes || last < first) return "unsatisfiable";
  return { first, length: last - first + 1 };
}
