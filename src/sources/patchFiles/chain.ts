import { stat } from 'node:fs/promises';
import { SourceError } from '../../errors.ts';
import { openByteFile } from '../../layouts/byteFile.ts';
import type { LayoutDocument, LayoutSegment } from '../../layouts/document.ts';
import { besideShard, openShard, type Shard } from '../../layouts/openShard.ts';
import { Tensors } from '../../layouts/tensors.ts';
import type { DocumentHead, Modality, Patches, Segment } from '../../records.ts';
import type { Reading } from '../file-source.ts';
import { changed } from '../open-file.ts';
import { olderValues } from './older.ts';
import { bytesOf, type Made, metaFrom, requireUsable, valuesOf } from './values.ts';

/** A file as it was when it was planned. */
export interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
}

/** A shard of an output, and what lies beside it; null where nothing does. */
export interface PlannedShard {
  /** Absolute. */
  readonly path: string;
  readonly tensors: Stamp;
  readonly sidecar: Stamp | null;
  readonly signals: Stamp | null;
}

export async function stampOf(file: string): Promise<Stamp | null> {
  const stats = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new SourceError(`'${file}' cannot be read: ${error.message}`, {
      code: 'UNREADABLE',
      path: file,
      cause: error,
    });
  });
  return stats === undefined ? null : { size: stats.size, mtimeMs: Math.floor(stats.mtimeMs) };
}

export async function plannedShard(path: string): Promise<PlannedShard> {
  const { sidecar, signals } = besideShard(path);
  const tensors = await stampOf(path);
  if (tensors === null)
    throw new SourceError(`'${path}' is missing`, { code: 'NOT_FOUND', path, hint: 'see sluice verify' });
  return { path, tensors, sidecar: await stampOf(sidecar), signals: await stampOf(signals) };
}

async function openPlannedShard({ path, tensors, sidecar, signals }: PlannedShard, made: Made): Promise<Shard> {
  const beside = besideShard(path);
  const files = [
    [path, tensors],
    [beside.sidecar, sidecar],
    [beside.signals, signals],
  ] as const;
  for (const [file, planned] of files) {
    const now = await stampOf(file);
    if (now?.size !== planned?.size || now?.mtimeMs !== planned?.mtimeMs)
      throw changed(file, now === null ? 'it is gone' : 'it was written to');
  }
  const bytes = await openByteFile(path);
  try {
    return await openShard(await Tensors.open(bytes), path, made);
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

/**
 * The patches of shards of an output that follow each other: documents that go on in the next shard are put together
 * again. One shard is open at a time, and those behind it while a segment that reaches into them is read.
 *
 * @throws SourceError `INPUT_CHANGED`, `UNREADABLE`; SluiceError what is wrong with a file
 */
export async function* chainValues(
  shards: readonly PlannedShard[],
  reading: Reading,
  made: Made,
): AsyncGenerator<readonly Patches[], void, undefined> {
  let open: OpenDocument | undefined;
  for (const [place, planned] of shards.entries()) {
    const shard = await openPlannedShard(planned, made);
    try {
      for await (const document of shard.documents()) {
        reading.signal.throwIfAborted();
        requireUsable(document, made.absent);
        if (document.segments === undefined) {
          yield* olderValues(document, reading, made);
          continue;
        }
        if (document.part === 0) open = { head: headOf(document, reading), segment: undefined };
        else if (open?.head.id !== document.id) throw apart(document, 'goes on where the shard before it does not end');
        const values = documentValues(document, document.segments, open, shards.slice(place + 1), made);
        for await (const value of values) yield [value];
      }
    } finally {
      await shard.close();
    }
  }
}

/**
 * The patches of a document of a single shard, which must be all of it.
 * @throws SluiceError `PART_OF_DOCUMENT`, and what else is wrong with it
 */
export async function* shardValues(
  document: LayoutDocument,
  reading: Reading,
  made: Made,
): AsyncGenerator<readonly Patches[], void, undefined> {
  if (document.segments === undefined || document.part > 0 || !document.complete) {
    yield* olderValues(document, reading, made);
    return;
  }
  requireUsable(document, made.absent);
  const open = { head: headOf(document, reading), segment: undefined };
  for await (const value of documentValues(document, document.segments, open, [], made)) yield [value];
}

/** A document that may go on in the next shard, and its segment that may. */
interface OpenDocument {
  readonly head: DocumentHead;
  segment: Segment | undefined;
}

function headOf(document: LayoutDocument, reading: Reading): DocumentHead {
  const { id, record, uri, position, byteLength, bytes, sha256, meta } = document;
  return {
    id,
    ...(record === undefined ? {} : { record }),
    source: { split: reading.split, uri, position: position ?? { ordinal: reading.ordinal() } },
    byteLength: byteLength ?? bytes,
    ...(sha256 === undefined ? {} : { sha256 }),
    meta: metaFrom(meta),
  };
}

async function* documentValues(
  document: LayoutDocument,
  segments: readonly LayoutSegment[],
  open: OpenDocument,
  behind: readonly PlannedShard[],
  made: Made,
): AsyncGenerator<Patches, void, undefined> {
  let from = document.firstPatch;
  let byteFrom = document.firstByte;
  for (const [place, listed] of segments.entries()) {
    const isLastHere = place === segments.length - 1;
    if (listed.start === 0) {
      const { bytes, last } = await assembled(document, listed, byteFrom, isLastHere, behind, made);
      open.segment = segmentOf(open.head, listed, bytes, last);
    } else if (open.segment?.index !== listed.index) {
      throw apart(document, `has segment ${listed.index} from byte ${listed.start} on, and not its beginning`);
    }
    const ends = listed.start + listed.bytes === listed.segmentBytes;
    const run = {
      segment: open.segment,
      document,
      from,
      to: from + listed.patches,
      byteFrom,
      start: listed.start,
      last: ends,
    };
    yield* valuesOf(run, made);
    from += listed.patches;
    byteFrom += listed.bytes;
  }
  if (segments.length > 0 || !document.complete) return;
  // A document without patches is a document too.
  const segment = segmentOf(open.head, emptySegment(document), new Uint8Array(0), true);
  yield* valuesOf({ segment, document, from, to: from, byteFrom, start: 0, last: true }, made);
}

/** The bytes of a segment that begins in this document, which may end in a later shard, and whether it is the last one. */
async function assembled(
  document: LayoutDocument,
  listed: LayoutSegment,
  firstByte: number,
  isLastHere: boolean,
  behind: readonly PlannedShard[],
  made: Made,
): Promise<{ bytes: Uint8Array; last: boolean }> {
  const there = behind.reduce((sum, { tensors }) => sum + tensors.size, document.table.bytes);
  if (listed.segmentBytes > there) throw apart(document, `has a segment of ${listed.segmentBytes} bytes`);
  const bytes = new Uint8Array(listed.segmentBytes);
  let filled = listed.bytes;
  bytes.set(await segmentBytes(document, listed, firstByte));
  let last = isLastHere && document.complete;
  for (const planned of behind) {
    if (filled === bytes.length) break;
    const shard = await openPlannedShard(planned, made);
    try {
      for await (const next of shard.documents()) {
        const [first, ...others] = next.segments ?? [];
        if (next.id !== document.id || first?.index !== listed.index || first.start !== filled)
          throw apart(
            next,
            `does not go on with segment ${listed.index} of document '${document.id}' at byte ${filled}`,
          );
        bytes.set(await segmentBytes(next, first, next.firstByte), filled);
        filled += first.bytes;
        last = others.length === 0 && next.complete;
        break;
      }
    } finally {
      await shard.close();
    }
  }
  if (filled === bytes.length) return { bytes, last };
  throw apart(document, `has ${filled} of the ${bytes.length} bytes of segment ${listed.index}`);
}

function segmentBytes(document: LayoutDocument, listed: LayoutSegment, firstByte: number): Promise<Uint8Array> {
  return bytesOf({ ...document, ...listed, firstByte, firstPatch: firstPatchOf(document, listed) });
}

function firstPatchOf({ segments = [], firstPatch }: LayoutDocument, listed: LayoutSegment): number {
  let first = firstPatch;
  for (const segment of segments) {
    if (segment === listed) break;
    first += segment.patches;
  }
  return first;
}

function segmentOf(document: DocumentHead, listed: LayoutSegment, bytes: Uint8Array, last: boolean): Segment {
  const { index, label, modality, mediaType, originStart: start, originEnd: end, derived, meta } = listed;
  return {
    document,
    index,
    last,
    bytes,
    label,
    // What a sidecar of this program says is one of them.
    modality: modality as Modality,
    mediaType,
    origin: { start, end, ...(derived === null ? {} : { derived }) },
    meta: metaFrom(meta),
  };
}

function emptySegment({ modality = 'binary' }: LayoutDocument): LayoutSegment {
  return {
    index: 0,
    label: 'document',
    modality,
    mediaType: 'application/octet-stream',
    patches: 0,
    bytes: 0,
    start: 0,
    segmentBytes: 0,
    originStart: 0,
    originEnd: 0,
    derived: null,
    meta: '{}',
  };
}

function apart({ table, id }: LayoutDocument, what: string): SourceError {
  return new SourceError(`'${table.path}': document '${id}' ${what}`, {
    code: 'SHARDS_APART',
    path: table.path,
    hint: 'give the whole output folder, and check it with sluice verify',
  });
}
