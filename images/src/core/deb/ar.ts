// Reader of the `ar` container of a Debian package (deb(5)): three members with fixed 60-byte
// headers. Everything about the container is checked before a byte of a member is used.
import { FleetError } from "@drover/shared/errors";

/** The file is not a package we can read. */
export class PackageFormatError extends FleetError {
  readonly code = "package-format";
}

/** One member's place inside the package file. */
export interface ArMember {
  readonly name: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;
const MEMBERS_MAX = 8;

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Lists the members of a package file. Throws {@link PackageFormatError} on any deviation. */
export function readArMembers(file: Uint8Array): ArMember[] {
  if (text(file.subarray(0, 8)) !== MAGIC)
    throw new PackageFormatError("package lacks the ar magic");
  const members: ArMember[] = [];
  let offset = MAGIC.length;
  while (offset < file.length) {
    if (members.length >= MEMBERS_MAX) throw new PackageFormatError("package has too many members");
    const header = text(file.subarray(offset, offset + HEADER_BYTES));
    if (header.length !== HEADER_BYTES || !header.endsWith("`\n")) {
      throw new PackageFormatError(`package has a broken member header at byte ${offset}`);
    }
    const size = header.slice(48, 58).trim();
    const sizeBytes = /^\d{1,10}$/.test(size) ? Number(size) : Number.NaN;
    const start = offset + HEADER_BYTES;
    if (!(start + sizeBytes <= file.length)) {
      throw new PackageFormatError(`package member at byte ${offset} ends past the file`);
    }
    members.push({
      name: header.slice(0, 16).trim().replace(/\/$/, ""),
      offsetBytes: start,
      sizeBytes,
    });
    offset = start + sizeBytes + (sizeBytes % 2);
  }
  return members;
}
