// Chooses the one disk that may be erased, by facts. None or several matches fail closed: erasing the
// wrong disk is the one mistake that cannot be taken back.
import type { DiskFacts } from "@drover/shared/node/facts";
import type { DiskChoice } from "@drover/shared/site/procedure";

export type DiskAnswer =
  | { readonly kind: "chosen"; readonly disk: DiskFacts; readonly because: readonly string[] }
  | { readonly kind: "refused"; readonly because: readonly string[] };

/** What speaks against a disk under this rule; empty when it matches. */
function objections(disk: DiskFacts, choice: DiskChoice): string[] {
  const against: string[] = [];
  const { serial, wwn, transport, sizeBytesMin, sizeBytesMax } = choice;
  if (serial !== undefined && disk.serial !== serial)
    against.push(`its serial is ${disk.serial || "unknown"}`);
  if (wwn !== undefined && disk.wwn !== wwn) against.push(`its wwn is ${disk.wwn || "unknown"}`);
  if (transport !== undefined && disk.transport !== transport)
    against.push(`it is connected by ${disk.transport}`);
  if (sizeBytesMin !== undefined && disk.sizeBytes < sizeBytesMin)
    against.push(`it has ${disk.sizeBytes} bytes, at least ${sizeBytesMin} are asked for`);
  if (sizeBytesMax !== undefined && disk.sizeBytes > sizeBytesMax)
    against.push(`it has ${disk.sizeBytes} bytes, at most ${sizeBytesMax} are asked for`);
  return against;
}

/** Exactly one matching disk, or the reasons why none may be touched. */
export function chooseDisk(disks: readonly DiskFacts[], choice: DiskChoice): DiskAnswer {
  const judged = disks.map((disk) => ({ disk, against: objections(disk, choice) }));
  const matching = judged.filter(({ against }) => against.length === 0);
  const rejected = judged
    .filter(({ against }) => against.length > 0)
    .map(({ disk, against }) => `${disk.name} does not match: ${against.join(", ")}`);
  const [only, ...more] = matching;
  if (only && more.length === 0) {
    return {
      kind: "chosen",
      disk: only.disk,
      because: [`${only.disk.name} is the only disk that matches`, ...rejected],
    };
  }
  if (matching.length > 1) {
    const names = matching.map(({ disk }) => disk.name).join(", ");
    return {
      kind: "refused",
      because: [`several disks match (${names}); the class must name one by serial, wwn or size`],
    };
  }
  return {
    kind: "refused",
    because: disks.length === 0 ? ["the node has no disk"] : ["no disk matches", ...rejected],
  };
}
