// How long-running making tells how far it is, and how it is stopped.

/** Bytes read so far of the bytes to be read. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Options shared by everything that makes content. */
export interface MakeOptions {
  readonly onProgress?: (progress: Progress) => void;
  /** Aborting rejects with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal;
}
