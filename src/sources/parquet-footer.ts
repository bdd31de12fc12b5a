import { type FileMetaData, parquetMetadata } from 'hyparquet';
import { Failure } from './failure.ts';
import { type OpenFile, versionOf } from './open-file.ts';
import type { FilePart } from './parquet-fetch.ts';
import { STORED } from './parquet-statistics.ts';
import { requireBounded } from './thrift-bounds.ts';

/** The table of contents of a Parquet file. */
export interface Footer {
  readonly metadata: FileMetaData;
  /** The end of the file that it was read from, for other threads. */
  readonly tail: Uint8Array<SharedArrayBuffer>;
  /** What was read with it: the bytes right before it, of a small file all. */
  readonly before: FilePart;
}

const MAGIC = 'PAR1';
const MAGIC_ENCRYPTED = 'PARE';
/** Magic, footer length and magic: the least a Parquet file has. */
const LEAST = 12;
/** Length of the footer and magic. */
const TRAILER = 8;
/** Bytes read at first: most footers are smaller. */
const GUESS = 64 << 10;
/** Bytes and values of a footer at most; one that describes 100,000 chunks of columns has 15 MB and three million. */
const MOST = 64 << 20;
const MOST_VALUES = 10_000_000;
/** Remote footers that are kept whatever they take; one of a thousand row groups takes some megabytes. */
const KEPT = 4;
/** More of them are kept up to so many bytes: planning has read small files whole by then. */
const KEPT_BYTES = 16 << 20;
/** What a byte of a footer takes once it is parsed. */
const PARSED = 24;

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

const kept = new Map<string, { readonly footer: Promise<Footer>; bytes: number }>();

/**
 * Reads the footer of a Parquet file. Those of remote files are kept for a while, so that planning and reading ask for
 * them once.
 *
 * @throws Failure `NOT_PARQUET`, `TRUNCATED`, `ENCRYPTED`, `CORRUPT_FOOTER`.
 */
export function readFooter(file: OpenFile): Promise<Footer> {
  const key = versionOf(file);
  if (file.local !== undefined || key === undefined) return read(file);
  const entry = kept.get(key) ?? { footer: read(file), bytes: 0 };
  kept.delete(key);
  kept.set(key, entry);
  entry.footer.then(
    ({ tail, before }) => {
      entry.bytes = tail.length * (1 + PARSED) + before.bytes.length;
      forget();
    },
    () => kept.delete(key),
  );
  return entry.footer;
}

/** Drops those that were asked for least lately. */
function forget(): void {
  let bytes = 0;
  for (const entry of kept.values()) bytes += entry.bytes;
  for (const [key, entry] of kept) {
    if (kept.size <= KEPT || bytes <= KEPT_BYTES) return;
    kept.delete(key);
    bytes -= entry.bytes;
  }
}

async function read(file: OpenFile): Promise<Footer> {
  let tail = await file.read(Math.max(0, file.size - GUESS), file.size);
  const ending = latin1(tail.subarray(-4));
  const beginning = latin1(tail.length === file.size ? tail.subarray(0, 4) : await file.read(0, 4));
  if (ending === MAGIC_ENCRYPTED || beginning === MAGIC_ENCRYPTED) {
    throw new Failure('ENCRYPTED', `'${file.uri}' is encrypted`, 'Decrypt the file first.');
  }
  if (beginning !== MAGIC) throw new Failure('NOT_PARQUET', `'${file.uri}' is not a Parquet file`);
  if (ending !== MAGIC || file.size < LEAST) {
    throw new Failure(
      'TRUNCATED',
      `'${file.uri}' is a Parquet file without its end, where its table of contents is`,
      'Copy the file again.',
    );
  }
  const length = new DataView(tail.buffer, tail.byteOffset).getUint32(tail.length - TRAILER, true) + TRAILER;
  if (length > file.size) {
    throw corrupt(file, new Error(`it would have ${length} bytes, more than the file`));
  }
  if (length > MOST) throw corrupt(file, new Error(`it has ${length} bytes, more than ${MOST}`));
  if (length > tail.length) {
    const rest = await file.read(file.size - length, file.size - tail.length);
    tail = Buffer.concat([rest, tail]);
  }
  try {
    requireBounded(tail, tail.length - length, MOST_VALUES);
    const shared = new Uint8Array(new SharedArrayBuffer(length));
    shared.set(tail.subarray(tail.length - length));
    const metadata = parquetMetadata(tail, { geoparquet: false, parsers: STORED });
    const before = { start: file.size - tail.length, bytes: tail.subarray(0, tail.length - length) };
    return { metadata, tail: shared, before };
  } catch (error) {
    throw corrupt(file, error);
  }
}

function corrupt(file: OpenFile, error: unknown): Failure {
  const reason = error instanceof Error ? error.message : String(error);
  return new Failure(
    'CORRUPT_FOOTER',
    `the table of contents of '${file.uri}' cannot be read: ${reason}`,
    'Copy the file again.',
    error,
  );
}
