// Finds the disk this system was started from by its GUID, on whatever connector it is today. Two disks
// with one GUID are an error: writing the wrong one could not be taken back.

import { DiskFormatError } from "@drover/shared/disk/disk-errors";
import { type FoundGpt, parseGpt } from "@drover/shared/disk/gpt-parse";
import { FleetError } from "@drover/shared/errors";
import { type BlockDevice, openBlockDevice } from "./block-device.ts";
import { readDisks } from "./read-facts.ts";

/** The disk is missing, or there are two of it. */
export class OwnDiskError extends FleetError {
  readonly code = "own-disk-unknown";
}

export interface OwnDisk {
  readonly device: BlockDevice;
  readonly gpt: FoundGpt;
}

function gptOf(device: BlockDevice): FoundGpt | undefined {
  try {
    return parseGpt(device, device.sizeBytes, device.sectorBytes);
  } catch (error) {
    // Another disk of the computer: empty, or not ours.
    if (error instanceof DiskFormatError) return undefined;
    throw error;
  }
}

/** Opens the disk with this GUID. `paths` are all whole disks of the computer unless given. */
export function openOwnDisk(
  diskGuid: string,
  paths: readonly string[] = readDisks().map(({ name }) => `/dev/${name}`),
): OwnDisk {
  const found: OwnDisk[] = [];
  for (const path of paths) {
    const device = openBlockDevice(path, { durable: false });
    const gpt = gptOf(device);
    if (gpt?.diskGuid === diskGuid.toLowerCase()) found.push({ device, gpt });
    else device.close();
  }
  const [only, ...more] = found;
  if (only && more.length === 0) return only;
  for (const { device } of found) device.close();
  throw new OwnDiskError(
    only ? `${found.length} disks have GUID ${diskGuid}` : `no disk has GUID ${diskGuid}`,
  );
}
