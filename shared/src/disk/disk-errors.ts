// The operational failures of the disk code. Callers branch on `code`; the message carries figures.

import { FleetError } from "../errors.ts";

/** The disk cannot hold the layout. */
export class DiskTooSmallError extends FleetError {
  readonly code = "disk-too-small";
  readonly neededBytes: number;
  readonly foundBytes: number;
  constructor(neededBytes: number, foundBytes: number) {
    super(
      `the disk is too small: the layout needs ${mebibytes(neededBytes)} MiB (${neededBytes} bytes), the disk has ${mebibytes(foundBytes)} MiB (${foundBytes} bytes)`,
    );
    this.neededBytes = neededBytes;
    this.foundBytes = foundBytes;
  }
}

/** Bytes read from a disk, archive or boot block are not what their format demands. */
export class DiskFormatError extends FleetError {
  readonly code = "disk-format-invalid";
}

/** What was asked for cannot be expressed in the format (too large, illegal name, duplicate). */
export class DiskInputError extends FleetError {
  readonly code = "disk-input-invalid";
}

/** A boot mark was asked for that the present boot state does not allow. */
export class BootStateError extends FleetError {
  readonly code = "boot-state-refused";
}

/** What was read back after a write is not what was written. */
export class ReadBackError extends FleetError {
  readonly code = "read-back-differs";
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1_048_576);
}
