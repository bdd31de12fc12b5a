import type { TarHeader } from '../archives/tarHeaders.ts';
import { type TarMember, tarMembers } from '../archives/tarMembers.ts';
import { tarPieces } from '../archives/tarPieces.ts';
import { RecordError } from '../errors.ts';
import { type OptionNames, requireOptions } from '../knownOptions.ts';
import type { Document } from '../records.ts';
import { compressionOf, decompress, MAX_EXPANSION } from './compression.ts';
import { Failure } from './failure.ts';
import { type FilePlan, type Format, fileSource, type Piece, type Range, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { MAX_DOCUMENT_BYTES, type Part, PartCutter } from './parts.ts';
import type { FileMeta } from './plain.ts';
import type { Source } from './source.ts';
import type { FoundFile } from './walk.ts';

export interface TarLimits {
  /** Bytes of a document at most; a larger member is cut into parts. Default: 16 MiB. */
  readonly maxDocumentBytes?: number | undefined;
  /** Decompressed bytes per compressed byte at most. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

export const TAR_LIMITS = { maxDocumentBytes: true, maxExpansion: true } as const satisfies OptionNames<TarLimits>;

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

type TarDocument = Document<FileMeta>;

async function* readArchive(
  file: OpenFile,
  range: Range,
  reading: Reading,
  { maxDocumentBytes, maxExpansion }: TarConfig,
): AsyncGenerator<readonly TarDocument[]> {
  const { start = 0, end = file.size } = range;
  const compression = compressionOf(file.uri);
  const raw = file.stream(start, end);
  const chunks = compression === undefined ? raw : decompress(raw, compression, maxExpansion);
  const reject = (failure: Failure, byte: number, member?: string): void => {
    const position = { ordinal: reading.ordinal(), byte, ...(member === undefined ? {} : { member }) };
    reading.reject(failure.at(file.uri, position));
  };
  async function* documents({ name, byte, content }: TarMember): AsyncGenerator<readonly TarDocument[]> {
    const cutter = new PartCutter(maxDocumentBytes);
    for await (const chunk of content) for (const part of cutter.push(chunk)) yield [document(part, name, byte)];
    yield [document(cutter.flush(), name, byte)];
  }
  function document({ bytes, start: offset, part }: Part, member: string, byte: number): TarDocument {
    const uri = `${file.uri}!/${member}`;
    const position = { ordinal: reading.ordinal(), byte: byte + offset, member };
    return {
      id: part === undefined ? uri : `${uri}#${part}`,
      source: { split: reading.split, uri, position: part === undefined ? position : { ...position, part } },
      bytes,
      meta: {},
    };
  }
  yield* tarMembers(chunks, start, end === file.size, { refused: reject, broken: reject }, documents);
}

/**
 * Plain archives of this machine are cut between members that may be parted, others are read in one go: where they are
 * compressed, and from afar, where the headers are scattered over all of the file.
 */
export async function* archivePieces(
  file: FoundFile,
  context: FilePlan,
  cuts: (header: TarHeader) => boolean,
): AsyncGenerator<Piece> {
  if (file.size === 0) {
    context.reject(new RecordError(`'${file.uri}' is empty`, { code: 'EMPTY_FILE', path: file.uri }));
    return;
  }
  if (compressionOf(file.uri) === undefined && file.size > context.splitBytes) {
    const open = await context.open(file).catch((error: unknown) => {
      if (!(error instanceof RecordError)) throw error;
      context.reject(error);
    });
    if (open === undefined) return;
    try {
      if (open.local !== undefined) {
        for await (const range of tarPieces(open, context.splitBytes, cuts)) {
          yield { bytes: range.end - range.start, range };
        }
        return;
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      context.reject(error.at(file.uri));
      return;
    } finally {
      await open.close();
    }
  }
  yield { bytes: file.size, range: { start: 0, end: file.size } };
}

/** Members of tar archives; plain archives are cut between members, compressed ones are read in one go. */
export function tarFormat(config: TarConfig): Format<TarDocument> {
  return {
    name: 'tar',
    pieces: (file, context) => archivePieces(file, context, () => true),
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
  requireOptions('tar', options, { ...LIST_OPTIONS, ...TAR_LIMITS });
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
