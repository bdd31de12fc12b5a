import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { EXPANSION_FLOOR, OUTPUT_CHUNK } from '../../../sources/compression.ts';
import { Failure } from '../../../sources/failure.ts';
import type { Budget } from '../budget.ts';
import { DAMAGE } from './members.ts';
import { UNPACKERS } from './packers.ts';
import { zstdFrames } from './zstdFrames.ts';

/** What a compressed stream holds, up to where it broke off. */
export interface Unpacked {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly broken: Failure | undefined;
}

interface Bounds {
  readonly maxExpansion: number;
  readonly budget: Budget;
}

const SMALLEST_CHUNK = 4 << 10;
const CONTENT = 'the content of the stream';
const BROTLI = 'application/x-brotli';

/** Whether a format is one compressed stream that is opened here. */
export const isCompressed = (mediaType: string): boolean => Object.hasOwn(UNPACKERS, mediaType) || mediaType === BROTLI;

function expansion(maxExpansion: number): Failure {
  return new Failure(
    'EXPANSION_LIMIT',
    `the stream grows to more than ${maxExpansion} times its size`,
    'Set archive: { maxExpansion } higher if the file is to be trusted.',
  );
}

/**
 * All at once, for formats that can be bounded so: a stream takes longer to be set up than most files to be unpacked.
 * Undefined for others, and where the stream is damaged: what lies before the damage may be had chunk by chunk.
 *
 * @param room bytes that may come of it
 */
function atOnce(bytes: Uint8Array, mediaType: string, room: number): Buffer | undefined {
  const chunkSize = Math.max(SMALLEST_CHUNK, Math.min(OUTPUT_CHUNK, 4 * bytes.length));
  const options = { maxOutputLength: room, chunkSize };
  try {
    if (mediaType === 'application/gzip') return gunzipSync(bytes, options);
    if (mediaType === BROTLI) return brotliDecompressSync(bytes, options);
    const frames = mediaType === 'application/zstd' ? zstdFrames(bytes) : undefined;
    return frames?.length === 1 ? zstdDecompressSync(frames[0] ?? bytes, options) : undefined;
  } catch (error) {
    if (error instanceof RangeError) throw error;
    if (mediaType !== BROTLI) return undefined;
    throw new Failure('DAMAGED_FILE', 'the brotli stream is damaged', 'Copy the file again.', error);
  }
}

/** Unpacks at once what can be. @throws Failure `EXPANSION_LIMIT`, `DECODED_TOO_LARGE` */
function boundedAtOnce(bytes: Uint8Array, mediaType: string, { maxExpansion, budget }: Bounds): Buffer | undefined {
  const most = Math.max(EXPANSION_FLOOR, Math.floor(bytes.length * maxExpansion));
  const room = Math.max(1, Math.min(most, budget.left));
  try {
    return atOnce(bytes, mediaType, room);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    if (room === most) throw expansion(maxExpansion);
    budget.take(room + 1, CONTENT);
    throw error;
  }
}

/**
 * Unpacks a compressed stream. What it holds is charged to the budget as it comes, whatever it says of its size.
 * @throws Failure `EXPANSION_LIMIT`, `DECODED_TOO_LARGE`
 */
export async function unpack(bytes: Uint8Array, mediaType: string, bounds: Bounds): Promise<Unpacked> {
  const { maxExpansion, budget } = bounds;
  const all = boundedAtOnce(bytes, mediaType, bounds);
  if (all !== undefined) {
    budget.take(all.length, CONTENT);
    // zlib's results lie in memory of this process
    return { bytes: all as Uint8Array<ArrayBuffer>, broken: undefined };
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    await UNPACKERS[mediaType]?.(bytes, (chunk) => {
      budget.take(chunk.length, CONTENT);
      length += chunk.length;
      if (length > EXPANSION_FLOOR && length > bytes.length * maxExpansion) throw expansion(maxExpansion);
      chunks.push(chunk);
    });
  } catch (error) {
    if (!(error instanceof Failure) || !DAMAGE.has(error.code)) throw error;
    return { bytes: Buffer.concat(chunks, length), broken: error };
  }
  return { bytes: Buffer.concat(chunks, length), broken: undefined };
}
