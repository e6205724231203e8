// What installer and node agent need from the site agent over the LAN. Each call is bounded in time and
// size; everything that comes back is verified by the caller.
import type { ImageId } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import type {
  ClaimAnswer,
  ClaimRequest,
  GrantAnswer,
  HelloAnswer,
  ImageFileName,
  InventoryAnswer,
  InventoryRequest,
  NodeBundle,
} from "../node-api/contract.ts";
import type { GrantQuestion } from "../node-ports.ts";

/** Calls of a computer that is no node yet. */
export interface StrangerSite {
  inventory(request: InventoryRequest): Promise<InventoryAnswer>;
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
}

/** Files of images in the site's cache. */
export interface ImageSite {
  /** A whole file of at most `bytesMax` bytes. */
  imageFile(imageId: ImageId, name: ImageFileName, bytesMax: number): Promise<Uint8Array>;
  /** Exactly the bytes of a range. */
  imageRange(
    imageId: ImageId,
    name: ImageFileName,
    offset: number,
    lengthBytes: number,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
}

/** Calls signed by the node's key. */
export interface NodeSite extends ImageSite {
  hello(): Promise<HelloAnswer>;
  bundle(): Promise<NodeBundle>;
  sendReports(reports: readonly Report[]): Promise<void>;
  askGrant(question: GrantQuestion): Promise<GrantAnswer>;
}
