import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { SourceError } from '../../errors.ts';
import { Failure } from '../failure.ts';
import { corruptBatch } from './numbers.ts';
import type { ArrowBatch, Region } from './types.ts';

/** Bytes of a file, wherever they come from. */
export interface ByteSource {
  read(start: number, end: number): Promise<Uint8Array>;
}

const unzstd = promisify(zstdDecompress);

/** Before a compressed buffer: how long it is unpacked. */
const PREFIX = 8;
/** Says that a buffer is not compressed after all. */
const STORED = -1n;
/** Buffers that lie closer than this are read as one. */
const GAP = 64 << 10;

async function lz4() {
  return import('lz4-napi').catch((cause: unknown) => {
    throw new SourceError('Arrow files that are compressed with LZ4 need the package lz4-napi', {
      code: 'MISSING_PACKAGE',
      hint: 'npm install lz4-napi, or write the file without compression or with Zstandard',
      cause,
    });
  });
}

/**
 * Most bytes that an LZ4 frame can unpack to, by the headers of its blocks.
 *
 * Format: LZ4 frame format 1.6.
 */
export function lz4Bound(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const flags = frame[4] ?? 0;
  const largest = 1 << (8 + 2 * (((frame[5] ?? 0) >> 4) & 7));
  let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  let bound = 0;
  while (at + 4 <= frame.length) {
    const word = view.getUint32(at, true);
    if (word === 0) return bound;
    const size = word & 0x7fffffff;
    bound += word >>> 31 === 1 ? size : largest;
    at += 4 + size + (flags & 0x10 ? 4 : 0);
  }
  throw corruptBatch('an LZ4 frame has no end');
}

async function unpacked(codec: 'lz4' | 'zstd', bytes: Uint8Array, length: number): Promise<Uint8Array> {
  if (codec === 'zstd') return unzstd(bytes, { maxOutputLength: Math.max(1, length) });
  const largest = 4 << 20;
  const bound = lz4Bound(bytes);
  if (bound > length + largest) throw corruptBatch(`an LZ4 frame holds up to ${bound} bytes in place of ${length}`);
  return (await lz4()).decompressFrame(bytes);
}

async function unpack(codec: 'lz4' | 'zstd', bytes: Uint8Array, length: number): Promise<Uint8Array> {
  let result: Uint8Array;
  try {
    result = await unpacked(codec, bytes, length);
  } catch (error) {
    if (error instanceof Failure || error instanceof SourceError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw corruptBatch(`a buffer cannot be decompressed: ${reason}`);
  }
  if (result.length !== length) throw corruptBatch(`a buffer has ${result.length} bytes in place of ${length}`);
  return result;
}

function prefixOf(bytes: Uint8Array): number {
  if (bytes.length < PREFIX) throw corruptBatch('a compressed buffer is shorter than its head');
  const length = new DataView(bytes.buffer, bytes.byteOffset, PREFIX).getBigInt64(0, true);
  if (length === STORED) return bytes.length - PREFIX;
  if (length < 0n || length > BigInt(Number.MAX_SAFE_INTEGER)) throw corruptBatch(`a buffer has ${length} bytes`);
  return Number(length);
}

const isStored = (bytes: Uint8Array): boolean =>
  new DataView(bytes.buffer, bytes.byteOffset, PREFIX).getBigInt64(0, true) === STORED;

/** Where a batch's body lies, and which of its buffers are wanted. */
export interface Wanted {
  readonly batch: ArrowBatch;
  readonly body: Region;
  readonly buffers: readonly number[];
}

function regionOf({ batch, body }: Wanted, buffer: number): Region {
  const region = batch.buffers[buffer];
  if (region === undefined) throw corruptBatch('it has fewer buffers than its columns need');
  if (region.offset + region.length > body.length) throw corruptBatch('a buffer lies beyond its body');
  return region;
}

/**
 * Bytes that the wanted buffers take: as they lie in the file, and when they are unpacked.
 *
 * @throws Failure `CORRUPT_BATCH`
 */
export async function wantedBytes(source: ByteSource, wanted: Wanted): Promise<{ stored: number; unpacked: number }> {
  let [stored, unpacked] = [0, 0];
  for (const buffer of wanted.buffers) {
    const { offset, length } = regionOf(wanted, buffer);
    stored += length;
    if (wanted.batch.codec === undefined || length === 0) continue;
    const start = wanted.body.offset + offset;
    unpacked += prefixOf(await source.read(start, start + Math.min(PREFIX, length)));
  }
  return { stored, unpacked };
}

/**
 * Reads and unpacks the wanted buffers of a batch; what they take is checked before anything is allocated for it.
 *
 * @throws Failure `CORRUPT_BATCH`, `BATCH_TOO_LARGE`; SourceError `MISSING_PACKAGE`
 */
export async function readBuffers(
  source: ByteSource,
  wanted: Wanted,
  maxBytes: number,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const regions = wanted.buffers.map((buffer) => ({ buffer, ...regionOf(wanted, buffer) }));
  const within = (bytes: number): void => {
    if (bytes <= maxBytes) return;
    throw new Failure(
      'BATCH_TOO_LARGE',
      `a batch holds ${bytes} bytes, more than ${maxBytes}`,
      'Set maxBatchBytes higher if there is memory for it, or write the file with smaller batches.',
    );
  };
  regions.sort((a, b) => a.offset - b.offset);
  const ranges: { start: number; end: number }[] = [];
  for (const { offset, length } of regions) {
    const last = ranges.at(-1);
    if (last !== undefined && offset - last.end <= GAP) last.end = Math.max(last.end, offset + length);
    else ranges.push({ start: offset, end: offset + length });
  }
  within(ranges.reduce((sum, { start, end }) => sum + end - start, 0));
  const parts: { start: number; bytes: Uint8Array }[] = [];
  for (const { start, end } of ranges) {
    parts.push({ start, bytes: await source.read(wanted.body.offset + start, wanted.body.offset + end) });
  }
  const { codec } = wanted.batch;
  const buffers = new Map<number, Uint8Array>();
  let total = 0;
  for (const { buffer, offset, length } of regions) {
    const part = parts.findLast(({ start }) => start <= offset);
    const bytes = part?.bytes.subarray(offset - part.start, offset - part.start + length) ?? new Uint8Array(0);
    if (codec === undefined || length === 0) {
      buffers.set(buffer, bytes);
      continue;
    }
    const size = prefixOf(bytes);
    total += size;
    within(total);
    const content = bytes.subarray(PREFIX);
    buffers.set(buffer, isStored(bytes) ? content : await unpack(codec, content, size));
  }
  return buffers;
}
