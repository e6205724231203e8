// Content objects over the WAN: bounded small objects and resumable ranges, every payload byte counted.
// Nothing read here is believed; callers verify digests before they keep anything.

import {
  type ContentName,
  type ContentPointer,
  contentPath,
  parseContentPointer,
} from "@drover/shared/chunk/content-layout";
import { sha256Hex } from "@drover/shared/chunk/digest";
import { ChunkDigestError } from "@drover/shared/chunk/errors";
import type { Clock } from "@drover/shared/clock";
import { type Centre, CentreError, ContentMissingError } from "./centre.ts";

export interface ContentSourceParts {
  readonly centre: Pick<Centre, "read">;
  readonly clock: Clock;
  /** Base URLs, best first. */
  urls(): readonly string[];
  /** Bytes per second the site may take; 0 = no limit. */
  bytesPerSecondMax(): number;
}

const attemptsMax = 6;
const pointerBytesMax = 4096;

/** Content for one image; `onBytes` is told of every payload byte as it arrives. */
export class ContentSource {
  readonly #parts: ContentSourceParts;
  readonly #onBytes: (bytes: number) => void;
  readonly #signal: AbortSignal;

  constructor(parts: ContentSourceParts, onBytes: (bytes: number) => void, signal: AbortSignal) {
    this.#parts = parts;
    this.#onBytes = onBytes;
    this.#signal = signal;
  }

  /** A whole object, verified against its name. Throws {@link ContentMissingError} when it is not there. */
  async object(name: ContentName, bytesMax: number): Promise<Uint8Array> {
    const bytes = await this.#whole(contentPath(name), bytesMax);
    if (sha256Hex(bytes) !== name.digest)
      throw new ChunkDigestError(`${contentPath(name)} has other bytes than its name says`);
    return bytes;
  }

  /** What a replaceable name points at, or undefined when nothing does. */
  async pointer(path: string): Promise<ContentPointer | undefined> {
    try {
      const bytes = await this.#whole(path, pointerBytesMax);
      return parseContentPointer(new TextDecoder().decode(bytes));
    } catch (error) {
      if (error instanceof ContentMissingError) return undefined;
      throw error;
    }
  }

  /** Exactly `sizeBytes` of an object from `offset`; a lost connection goes on where it broke. */
  async *range(name: ContentName, offset: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
    const end = offset + sizeBytes;
    let at = offset;
    let failures = 0;
    while (at < end) {
      const before = at;
      try {
        const range = { offset: at, sizeBytes: end - at };
        for await (const piece of this.#read(contentPath(name), failures, range)) {
          at += piece.length;
          if (at > end) throw new CentreError(`${contentPath(name)} sent more than was asked for`);
          yield piece;
        }
        if (at < end) throw new CentreError(`${contentPath(name)} ended early`);
      } catch (error) {
        failures = at > before ? 1 : failures + 1;
        await this.#pauseOrThrow(error, failures);
      }
    }
  }

  /** Waits longer after each failure; throws when another attempt makes no sense. */
  async #pauseOrThrow(error: unknown, failures: number): Promise<void> {
    const isHopeless = failures >= attemptsMax || this.#signal.aborted || isFinal(error);
    if (isHopeless) throw error;
    await this.#parts.clock.wait(250 * 2 ** failures, this.#signal);
  }

  async #whole(path: string, bytesMax: number): Promise<Uint8Array> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#collect(path, failures, bytesMax);
      } catch (error) {
        await this.#pauseOrThrow(error, failures + 1);
      }
    }
  }

  async #collect(path: string, attempt: number, bytesMax: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const piece of this.#read(path, attempt, undefined)) {
      sizeBytes += piece.length;
      if (sizeBytes > bytesMax)
        throw new ChunkDigestError(`${path} is larger than ${bytesMax} bytes`);
      parts.push(piece);
    }
    return Buffer.concat(parts);
  }

  async *#read(
    path: string,
    attempt: number,
    range: { offset: number; sizeBytes: number } | undefined,
  ): AsyncGenerator<Uint8Array> {
    const urls = this.#parts.urls();
    const base = urls[attempt % Math.max(1, urls.length)];
    if (base === undefined) throw new CentreError("no content URL is known yet");
    const url = `${base.replace(/\/$/, "")}/${path}`;
    for await (const piece of this.#parts.centre.read(url, range, this.#signal)) {
      this.#onBytes(piece.length);
      yield piece;
      await this.#slowDown(piece.length);
    }
  }

  /** Keeps to the site's limit by pausing as long as the piece should have taken. */
  async #slowDown(bytes: number): Promise<void> {
    const limit = this.#parts.bytesPerSecondMax();
    if (limit > 0) await this.#parts.clock.wait((bytes / limit) * 1000, this.#signal);
  }
}

/** Asking again would bring the same answer. */
function isFinal(error: unknown): boolean {
  return error instanceof ContentMissingError || error instanceof ChunkDigestError;
}
