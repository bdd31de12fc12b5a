import { defer, type Observable } from 'rxjs';
import { RecordError, SourceError } from '../errors.ts';
import { pull } from '../flow/index.ts';
import type { JsonValue } from '../json.ts';
import { currentRun, rejectOrThrow } from '../run/context.ts';
import { shownUrl } from '../storage/http/urls.ts';
import { baseOf, locate, schemeOf } from '../storage/location.ts';
import type { ByteRange } from '../storage/readAhead.ts';
import { Stores } from '../storage/stores.ts';
import { Failure } from './failure.ts';
import { planFiles } from './file-pieces.ts';
import { filesAhead, heldAhead } from './files-ahead.ts';
import { type Inputs, type Listing, type ListOptions, list, listJson } from './list.ts';
import type { OpenFile } from './open-file.ts';
import type { Ahead, PlanContext, Source, Split } from './source.ts';
import type { FoundFile } from './walk.ts';

/** Which part of a file to read, in numbers that mean something to its format alone. */
export type Range = { readonly [name: string]: number };

/** A part of a file that is planned as one. */
export interface Piece {
  readonly bytes: number;
  readonly range: Range;
}

/** Pieces that another format made, marked as such for whoever reads them. */
export async function* marked(pieces: AsyncIterable<Piece> | Iterable<Piece>, mark: Range): AsyncGenerator<Piece> {
  for await (const { bytes, range } of pieces) yield { bytes, range: { ...range, ...mark } };
}

/** What a format may ask while it reads a split. */
export interface Reading {
  readonly split: string;
  readonly signal: AbortSignal;
  /** The number of the next record of the split, and of those behind it: every record takes one, rejected or not. */
  ordinal(records?: number): number;
  reject(error: RecordError, payload?: Uint8Array): void;
  /** Counts rows that conditions passed over; the commit says how many. */
  passOver(rows: number): void;
}

/** What a format may ask while a file is planned. */
export interface FilePlan extends PlanContext {
  /**
   * Opens a file that may be looked at; whoever opens it closes it.
   * @throws RecordError where it cannot be opened; SourceError where its store fails
   */
  open(file: FoundFile): Promise<OpenFile>;
}

/** One kind of file: how it is cut into pieces, and how a piece is read. */
export interface Format<T> {
  readonly name: string;
  /** Pieces in order; together they are the file. A file that is of no use is rejected and gives none. */
  pieces(file: FoundFile, context: FilePlan): AsyncIterable<Piece> | Iterable<Piece>;
  /** Bytes in memory while a piece is read: its largest record or row group, and buffers. */
  holds(range: Range): number;
  /** Ranges of a remote file that `read` will ask for, just so, of no more bytes than the piece has. Absent: `start` to `end` of the range, if it has them. */
  needs?(file: OpenFile, range: Range): Promise<readonly ByteRange[]>;
  /** Chunks of records in order, each small against a split. */
  read(file: OpenFile, range: Range, reading: Reading): AsyncIterable<readonly T[]>;
}

interface Slice {
  readonly format: string;
  readonly uri: string;
  readonly size: number;
  readonly mtimeMs?: number;
  readonly etag?: string;
  /** Where it lies, if its name does not say. */
  readonly location?: string;
  readonly range: Range;
}

/** Slices in a split at most, so that a plan's lines stay readable however small the files are. */
const MAX_SLICES = 4096;

/** Payloads of rejected records up to this size are kept beside the reason. */
const MAX_PAYLOAD = 64 << 10;

export interface FileSourceOptions<T> {
  readonly kind: string;
  readonly inputs: Inputs;
  readonly list: ListOptions;
  readonly options: { readonly [key: string]: JsonValue };
  /** Formats that files may have, by name; the first that wants a file of a folder gets it. */
  readonly formats: readonly Format<T>[];
  /** The format of a file, by its path; undefined leaves it out unless it was named itself. */
  formatOf(uri: string): Format<T> | undefined;
  /** Lists the files in place of `inputs`. */
  readonly listing?: ((context: PlanContext) => Promise<Listing>) | undefined;
  /** Where they lie. Default: what `list.remote` says. */
  readonly stores?: Stores | undefined;
  /** The format of a file that was named itself or matched by `include` and that `formatOf` does not know. */
  readonly otherwise: Format<T>;
}

/** A source of files: lists them, cuts and groups them into splits, and reads splits as gated flows. */
export function fileSource<T extends object>(source: FileSourceOptions<T>): Source<T> {
  const stores = source.stores ?? new Stores(source.list.remote, {}, [source.inputs].flat());
  return {
    kind: source.kind,
    options: { ...listJson(source.inputs, source.list), ...source.options },
    ahead: aheadOf(source, stores),
    splits: (context) => splits(source, stores, context),
    read: (split) => read(source, stores, split),
  };
}

async function* splits<T>(
  source: FileSourceOptions<T>,
  stores: Stores,
  context: PlanContext,
): AsyncGenerator<Omit<Split, 'id'>> {
  let rejected: RecordError | undefined;
  const noting: FilePlan = {
    ...context,
    reject(error) {
      rejected ??= error;
      context.reject(error);
    },
    open: (file) => stores.open(file, context.signal),
  };
  const usual = (uri: string): boolean => source.formatOf(uri) !== undefined;
  const { root, base, files } = await (source.listing?.(noting) ??
    list(source.inputs, source.list, noting, usual, stores));
  let slices: Slice[] = [];
  let bytes = 0;
  let planned = 0;
  const close = (): Omit<Split, 'id'> => {
    const spec = {
      root,
      ...(base === undefined ? {} : { base }),
      slices: slices.map((slice) => ({ ...slice, range: { ...slice.range } })),
    };
    const split = { bytes, spec };
    slices = [];
    bytes = 0;
    planned++;
    return split;
  };
  const formatOf = (uri: string): Format<T> => source.formatOf(uri) ?? source.otherwise;
  for await (const { file, format, pieces } of planFiles(files, formatOf, noting)) {
    for await (const piece of pieces) {
      if (slices.length > 0 && (bytes + piece.bytes > context.splitBytes || slices.length >= MAX_SLICES)) yield close();
      const { location } = file;
      const elsewhere = locate(root, file.uri) === location ? {} : { location };
      slices.push({ format: format.name, ...identityOf(file), ...elsewhere, range: piece.range });
      bytes += piece.bytes;
    }
  }
  if (slices.length > 0) yield close();
  if (planned > 0) return;
  const inputs = [source.inputs].flat().map(shownInput).join(', ');
  if (rejected !== undefined) {
    throw new SourceError(`${source.kind}: none of the files of '${inputs}' can be read`, {
      code: 'NO_USABLE_FILE',
      path: inputs,
      hint: `The first: ${[rejected.message, rejected.hint ?? []].flat().map(sentence).join(' ')}`,
      cause: rejected,
    });
  }
  throw new SourceError(`${source.kind}: no file matches '${inputs}'`, {
    code: 'NO_FILES',
    path: inputs,
    hint: 'Check the path and the pattern; names that begin with a dot are left out.',
  });
}

/** An input as messages may show it. */
function shownInput(input: string): string {
  return schemeOf(input)?.startsWith('http') === true ? shownUrl(input) : input;
}

/** A flow that is pulled chunk by chunk, rejects to the run that subscribed it, and owns no thread. */
export function gated<T>(
  kind: string,
  split: Split,
  holds: number,
  chunks: (reading: Reading) => AsyncIterable<readonly T[]>,
): Observable<T> {
  return defer(() => {
    const run = currentRun();
    let ordinal = 0;
    let filtered = 0;
    run?.output?.beforeCommit(async (): Promise<Record<string, number>> => (filtered > 0 ? { filtered } : {}));
    return pull(
      (signal) =>
        chunks({
          split: split.id,
          signal,
          ordinal(records = 1) {
            const first = ordinal;
            ordinal += records;
            return first;
          },
          passOver(rows) {
            filtered += rows;
          },
          reject(error, payload) {
            rejectOrThrow(
              run,
              kind,
              error,
              payload !== undefined && payload.length <= MAX_PAYLOAD ? payload : undefined,
            );
          },
        }),
      { name: kind, holds },
    );
  });
}

/** What a slice says of its file. */
function identityOf({ uri, size, mtimeMs, etag }: Omit<FoundFile, 'location'>): Omit<Slice, 'format' | 'range'> {
  return { uri, size, ...(mtimeMs === undefined ? {} : { mtimeMs }), ...(etag === undefined ? {} : { etag }) };
}

interface FilesSpec {
  readonly root: string;
  readonly base?: string;
  readonly slices: readonly Slice[];
}

function workOf<T extends object>(source: FileSourceOptions<T>, split: Split): Work<T>[] {
  // What `splits` above wrote; the plan's digest vouches for it.
  const { root, base, slices } = split.spec as unknown as FilesSpec;
  return slices.map((slice) => {
    const format = source.formats.find((candidate) => candidate.name === slice.format);
    if (format === undefined) {
      throw new SourceError(
        `split ${split.id} needs the format '${slice.format}', which ${source.kind} does not read`,
        {
          code: 'FOREIGN_SPLIT',
        },
      );
    }
    const location = slice.location ?? locate(root, slice.uri);
    const file = { ...identityOf(slice), location };
    return { format, range: slice.range, file, base: base ?? baseOf(root, location) };
  });
}

function aheadOf<T extends object>(source: FileSourceOptions<T>, stores: Stores): Ahead | undefined {
  const inputs = typeof source.inputs === 'string' ? [source.inputs] : source.inputs;
  if (!inputs.some((input) => schemeOf(input) !== undefined)) return undefined;
  return filesAhead(source.list.remote, stores, (split) => workOf(source, split));
}

function read<T extends object>(source: FileSourceOptions<T>, stores: Stores, split: Split): Observable<T> {
  const work = workOf(source, split);
  const own = work.reduce((most, { format, range }) => Math.max(most, format.holds(range)), 0);
  const holds = own + heldAhead(split, aheadOf(source, stores));
  return gated(source.kind, split, holds, (reading) => readWork(stores, work, reading));
}

/** A part of a file that belongs to a split. */
export interface Work<T> {
  readonly format: Format<T>;
  readonly range: Range;
  readonly file: FoundFile;
  /** What paths in its records are relative to. */
  readonly base: string;
}

async function* readWork<T extends object>(
  stores: Stores,
  work: readonly Work<T>[],
  reading: Reading,
): AsyncGenerator<readonly T[]> {
  for (const { format, range, file, base } of work) {
    let open: OpenFile;
    try {
      open = await stores.open(file, reading.signal);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      const { message, code, path, hint, cause } = error;
      reading.reject(new RecordError(message, { code, path, hint, cause, position: { ordinal: reading.ordinal() } }));
      continue;
    }
    try {
      for await (const records of format.read(open, range, reading)) {
        yield records.map((record) => rooted(record, base));
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reading.reject(error.at(file.uri, { ordinal: reading.ordinal() }));
    } finally {
      await open.close();
    }
  }
}

/** A document says what its paths are relative to; patches have gone beyond that. */
function rooted<T extends object>(record: T, base: string): T {
  if (!('source' in record) || typeof record.source !== 'object') return record;
  return { ...record, source: { ...record.source, base } };
}

const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);
