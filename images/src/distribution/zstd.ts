// The one home of zstd on the making side: asynchronous (libuv's pool does the work), with the
// window bounded so that every receiver can expand every frame.

import { promisify } from "node:util";
import zlib from "node:zlib";

const compressAsync = promisify(zlib.zstdCompress);
const expandAsync = promisify(zlib.zstdDecompress);

/** Receivers refuse larger windows: 8 MiB, which covers a frame with its dictionary. */
const windowLogMax = 23;
const windowLogMin = 17;

/** First bytes of a trained dictionary; raw content that starts so would be misread as one. */
const trainedMagic = [0x37, 0xa4, 0x30, 0xec];

/** One zstd frame. */
export async function compress(plain: Uint8Array, level: number): Promise<Uint8Array> {
  return compressAsync(plain, {
    params: {
      [zlib.constants.ZSTD_c_compressionLevel]: level,
      [zlib.constants.ZSTD_c_windowLog]: windowLog(plain.length),
    },
  });
}

/** One zstd frame whose matches may reach into `dictionary` (raw content). */
export async function compressWith(
  dictionary: Uint8Array,
  plain: Uint8Array,
  level: number,
): Promise<Uint8Array> {
  return compressAsync(plain, {
    dictionary,
    params: {
      [zlib.constants.ZSTD_c_compressionLevel]: level,
      [zlib.constants.ZSTD_c_windowLog]: windowLog(dictionary.length + plain.length),
    },
  });
}

/** Expands one frame; throws when it is damaged or longer than `plainBytes`. */
export async function expand(
  frame: Uint8Array,
  plainBytes: number,
  dictionary?: Uint8Array,
): Promise<Uint8Array> {
  return expandAsync(frame, {
    maxOutputLength: Math.max(plainBytes, 1),
    params: { [zlib.constants.ZSTD_d_windowLogMax]: windowLogMax },
    ...(dictionary === undefined ? {} : { dictionary }),
  });
}

/** False for content that zstd would take for a trained dictionary. */
export function canBeDictionary(content: Uint8Array): boolean {
  return content.length > 0 && trainedMagic.some((byte, at) => content[at] !== byte);
}

function windowLog(sizeBytes: number): number {
  const log = Math.ceil(Math.log2(sizeBytes + 1));
  return Math.min(Math.max(log, windowLogMin), windowLogMax);
}
