import { type Extract, extract, type Header } from 'tar-stream';
import { RecordError } from '../errors.ts';
import type { Document } from '../records.ts';
import { compressionOf, decompress, MAX_EXPANSION } from './compression.ts';
import { Failure } from './failure.ts';
import { type FilePlan, type Format, fileSource, type Piece, type Range, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import type { Inputs, ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { MAX_DOCUMENT_BYTES, type Part, PartCutter } from './parts.ts';
import type { FileMeta } from './plain.ts';
import type { Source } from './source.ts';
import { memberOffsets } from './tar-index.ts';
import type { FoundFile } from './walk.ts';

export interface TarLimits {
  /** Bytes of a document at most; a larger member is cut into parts. Default: 16 MiB. */
  readonly maxDocumentBytes?: number | undefined;
  /** Decompressed bytes per compressed byte at most. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

export interface TarOptions extends ListOptions, TarLimits {}

export const isTar = (uri: string): boolean => /\.(tar|tar\.gz|tgz|tar\.zst|tzst)$/i.test(uri);

export interface TarConfig {
  readonly maxDocumentBytes: number;
  readonly maxExpansion: number;
}

export function tarConfig(limits: TarLimits): TarConfig {
  return {
    maxDocumentBytes: checkedLimit('maxDocumentBytes', limits.maxDocumentBytes ?? MAX_DOCUMENT_BYTES, 64),
    maxExpansion: checkedLimit('maxExpansion', limits.maxExpansion ?? MAX_EXPANSION, 1),
  };
}

const BLOCK = 512;

/** tar-stream also tells where a member's bytes begin and what its pax header says; its types do not. */
type Member = Omit<Header, 'pax' | 'type'> & {
  readonly byteOffset: number;
  readonly pax: Readonly<Record<string, string>> | null;
  readonly type: Header['type'] | null;
};

type Entry = AsyncIterable<Uint8Array> & { readonly header: Member };

/** Also archives from before POSIX, which have no magic: an option that tar-stream's types do not know. */
const ANY_FORMAT = { allowUnknownFormat: true } as Parameters<typeof extract>[0];

/** Why a member is left out; undefined for a regular file with a harmless name. */
function refusal({ name, type, pax }: Member): Failure | undefined {
  const parts = name.split(/[/\\]/);
  if (name === '' || name.includes('\0') || parts[0] === '' || /^[A-Za-z]:/.test(name) || parts.includes('..')) {
    return new Failure('UNSAFE_PATH', `the member name ${JSON.stringify(name)} leads out of the archive`);
  }
  if (Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'))) {
    return new Failure('SPARSE_MEMBER', `'${name}' is a sparse file`, 'Pack it again without --sparse.');
  }
  if (type === 'file' || type === 'contiguous-file') return undefined;
  return new Failure(
    'UNSUPPORTED_MEMBER',
    `'${name}' is no regular file but ${type ?? 'of an unknown or sparse type'}`,
  );
}

/** Writes a stream of bytes into an extractor at the pace of its reader; resolves to what broke the stream off. */
class Feed {
  bytes = 0;
  readonly done: Promise<unknown>;
  readonly #extract: Extract;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(input: AsyncIterable<Uint8Array>, into: Extract) {
    this.#extract = into;
    const wake = (): void => this.#wake();
    into.on('drain', wake);
    into.on('close', wake);
    this.done = this.#run(input).catch((error: unknown) => {
      // Whole members before the break are still to be read: the extractor ends, it is not destroyed.
      into.end(undefined);
      return error ?? new Error('unknown');
    });
  }

  async #run(input: AsyncIterable<Uint8Array>): Promise<undefined> {
    for await (const chunk of input) {
      if (this.#stopped) return;
      this.bytes += chunk.length;
      if (this.#extract.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#stopped || this.#extract.destroyed) resolve();
      });
      if (this.#stopped || this.#extract.destroyed) return;
    }
    this.#extract.end(undefined);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#extract.destroy();
    this.#wake();
    await this.done;
  }
}

type TarDocument = Document<FileMeta>;

class ArchiveReader {
  readonly #file: OpenFile;
  readonly #reading: Reading;
  readonly #start: number;
  readonly #maxDocumentBytes: number;
  /** Offset behind the last member, with its padding. */
  end: number;
  members = 0;
  /** The member being read, if any. */
  current: string | undefined;

  constructor(file: OpenFile, reading: Reading, start: number, maxDocumentBytes: number) {
    this.#file = file;
    this.#reading = reading;
    this.#start = start;
    this.#maxDocumentBytes = maxDocumentBytes;
    this.end = start;
  }

  reject(failure: Failure, byte: number, member: string | undefined): void {
    const position = { ordinal: this.#reading.ordinal(), byte, ...(member === undefined ? {} : { member }) };
    this.#reading.reject(failure.at(this.#file.uri, position));
  }

  async *read(entry: Entry): AsyncGenerator<readonly TarDocument[]> {
    const { header } = entry;
    const { name, size, type } = header;
    const byte = this.#start + header.byteOffset;
    this.members++;
    this.current = name;
    const refused = type === 'directory' ? undefined : refusal(header);
    if (refused !== undefined) this.reject(refused, byte, name);
    if (refused !== undefined || type === 'directory') for await (const _skipped of entry);
    else yield* this.#documents(entry, name, byte);
    this.current = undefined;
    this.end = byte + (type === 'directory' ? 0 : Math.ceil(size / BLOCK) * BLOCK);
  }

  async *#documents(entry: Entry, name: string, byte: number): AsyncGenerator<readonly TarDocument[]> {
    const cutter = new PartCutter(this.#maxDocumentBytes);
    for await (const chunk of entry) for (const part of cutter.push(chunk)) yield [this.#document(part, name, byte)];
    yield [this.#document(cutter.flush(), name, byte)];
  }

  #document({ bytes, start, part }: Part, member: string, byte: number): TarDocument {
    const uri = `${this.#file.uri}!/${member}`;
    const position = { ordinal: this.#reading.ordinal(), byte: byte + start, member };
    return {
      id: part === undefined ? uri : `${uri}#${part}`,
      source: { split: this.#reading.split, uri, position: part === undefined ? position : { ...position, part } },
      bytes,
      meta: {},
    };
  }
}

/** What stopped the reading of an archive, as a reject. */
function understand(error: unknown, broken: unknown, members: number): Failure {
  if (broken instanceof Failure) return broken;
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes('Unexpected end of data')) {
    return new Failure(
      'TRUNCATED',
      'the archive ends inside a member',
      'Copy the file again; the members before were read.',
      error,
    );
  }
  return members === 0
    ? new Failure('NOT_TAR', `this is not a tar archive: ${message}`, undefined, error)
    : new Failure(
        'CORRUPT_ARCHIVE',
        `the archive is damaged: ${message}`,
        'Copy the file again; the members before were read.',
        error,
      );
}

async function* readArchive(
  file: OpenFile,
  range: Range,
  reading: Reading,
  config: TarConfig,
): AsyncGenerator<readonly TarDocument[]> {
  const { start = 0, end = file.size } = range;
  const compression = compressionOf(file.uri);
  const raw = file.stream(start, end);
  const archive = extract(ANY_FORMAT);
  const feed = new Feed(compression === undefined ? raw : decompress(raw, compression, config.maxExpansion), archive);
  const reader = new ArchiveReader(file, reading, start, config.maxDocumentBytes);
  let failure: Failure | undefined;
  try {
    for await (const entry of archive as AsyncIterable<unknown>) yield* reader.read(entry as Entry);
  } catch (error) {
    // The extractor fails only on what it is fed; everything else is thrown by the feed.
    failure = understand(error, undefined, reader.members);
  } finally {
    await feed.stop();
  }
  const broken = await feed.done;
  if (broken !== undefined && !(broken instanceof Failure)) throw broken;
  failure = broken ?? failure;
  if (failure === undefined && end === file.size && start + feed.bytes < reader.end + BLOCK) {
    failure = new Failure(
      'TRUNCATED',
      'the archive has no end mark: members may be missing',
      'Copy the file again; the members before were read.',
    );
  }
  if (failure !== undefined) reader.reject(failure, reader.end, reader.current);
}

/** Members of tar archives; plain archives are cut between members, compressed ones are read in one go. */
export function tarFormat(config: TarConfig): Format<TarDocument> {
  return {
    name: 'tar',
    async *pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
      if (file.size === 0) {
        context.reject(new RecordError(`'${file.uri}' is empty`, { code: 'EMPTY_FILE', path: file.uri }));
        return;
      }
      let offsets: number[] = [];
      if (compressionOf(file.uri) === undefined && file.size > context.splitBytes) {
        try {
          const open = await context.open(file);
          try {
            // Of a remote archive the headers are scattered over all of it: it is read in one go.
            if (open.local !== undefined) offsets = await memberOffsets(open);
          } finally {
            await open.close();
          }
        } catch (error) {
          if (error instanceof Failure) context.reject(error.at(file.uri));
          else if (error instanceof RecordError) context.reject(error);
          else throw error;
          return;
        }
      }
      let start = 0;
      for (const offset of offsets) {
        if (offset - start < context.splitBytes) continue;
        yield { bytes: offset - start, range: { start, end: offset } };
        start = offset;
      }
      yield { bytes: file.size - start, range: { start, end: file.size } };
    },
    // A part, what is read beyond it, and the copy that leaves.
    holds: () => 2 * config.maxDocumentBytes + (2 << 20),
    read: (file, range, reading) => readArchive(file, range, reading, config),
  };
}

/**
 * Regular members of `.tar`, `.tar.gz`/`.tgz` and `.tar.zst`/`.tzst` archives as documents, in the archive's order.
 *
 * `uri` and `id` are `archive.tar!/member`; `position.byte` is the offset of the member's (or part's) bytes in the
 * (decompressed) archive. Nothing is ever written to disk, so names are only names; still, members whose names lead out
 * of the archive are rejected, as are links, devices and sparse files. Folders are passed over. An archive that breaks
 * off gives its whole members and one reject.
 *
 * @throws SourceError at plan time `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. Rejects:
 * docs/rejects.md.
 */
export function tar(path: Inputs, options: TarOptions = {}): Source<TarDocument> {
  const config = tarConfig(options);
  const format = tarFormat(config);
  return fileSource({
    kind: 'tar',
    inputs: path,
    list: options,
    options: { ...config },
    formats: [format],
    formatOf: (uri) => (isTar(uri) ? format : undefined),
    otherwise: format,
  });
}
