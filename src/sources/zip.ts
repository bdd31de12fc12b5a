import { FileWindow } from '../archives/fileWindow.ts';
import { zipContent } from '../archives/zipContent.ts';
import { ZipDirectory, type ZipMember } from '../archives/zipDirectory.ts';
import { RecordError } from '../errors.ts';
import { type OptionNames, requireOptions } from '../knownOptions.ts';
import type { Document } from '../records.ts';
import { MAX_EXPANSION } from './compression.ts';
import { Failure } from './failure.ts';
import { type FilePlan, type Format, fileSource, type Piece, type Range, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { MAX_DOCUMENT_BYTES, type Part, PartCutter } from './parts.ts';
import type { FileMeta } from './plain.ts';
import type { Source } from './source.ts';
import type { FoundFile } from './walk.ts';

export interface ZipLimits {
  /** Bytes of a document at most; a larger member is cut into parts. Default: 16 MiB. */
  readonly maxDocumentBytes?: number | undefined;
  /** Unpacked bytes per packed byte at most, of a member and of all together. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

export const ZIP_LIMITS = { maxDocumentBytes: true, maxExpansion: true } as const satisfies OptionNames<ZipLimits>;

export interface ZipOptions extends ListOptions, ZipLimits {}

export const isZip = (uri: string): boolean => /\.zip$/i.test(uri);

export interface ZipConfig {
  readonly maxDocumentBytes: number;
  readonly maxExpansion: number;
}

export function zipConfig(limits: ZipLimits): ZipConfig {
  return {
    maxDocumentBytes: checkedLimit('maxDocumentBytes', limits.maxDocumentBytes ?? MAX_DOCUMENT_BYTES, 64),
    maxExpansion: checkedLimit('maxExpansion', limits.maxExpansion ?? MAX_EXPANSION, 1),
  };
}

type ZipDocument = Document<FileMeta>;

/** Which members to read: from which entry of the directory on, where that lies, how many. */
interface ZipRange extends Range {
  readonly first: number;
  readonly at: number;
  readonly count: number;
  /** 1 where members lie in the file in the order of the directory. */
  readonly ordered: number;
  /** 1 where these are the last: what follows the archive in the file is theirs to tell. */
  readonly last: number;
}

async function* pieces(open: OpenFile, splitBytes: number, { maxExpansion }: ZipConfig): AsyncGenerator<Piece> {
  const directory = await ZipDirectory.open(open, maxExpansion);
  const { count } = directory.entries;
  const cuts: { first: number; at: number; bytes: number }[] = [{ first: 0, at: directory.entries.start, bytes: 0 }];
  const { ordered } = await directory.survey(({ number, at }, packed) => {
    const piece = cuts.at(-1);
    if (piece === undefined) return;
    if (piece.bytes === 0 || piece.bytes + packed <= splitBytes) piece.bytes += packed;
    else cuts.push({ first: number, at, bytes: packed });
  });
  for (const [index, { first, at, bytes }] of cuts.entries()) {
    const next = cuts[index + 1];
    const range = { first, at, count: (next?.first ?? count) - first, last: next === undefined ? 1 : 0 };
    yield { bytes, range: { ...range, ordered: ordered ? 1 : 0 } satisfies ZipRange };
  }
}

async function* readArchive(
  file: OpenFile,
  range: ZipRange,
  reading: Reading,
  { maxDocumentBytes, maxExpansion }: ZipConfig,
): AsyncGenerator<readonly ZipDocument[]> {
  const directory = await ZipDirectory.open(file, maxExpansion);
  const window = new FileWindow(file);
  const reject = (failure: Failure, byte: number, member?: string): void => {
    const position = { ordinal: reading.ordinal(), byte, ...(member === undefined ? {} : { member }) };
    reading.reject(failure.at(file.uri, position));
  };
  const document = ({ bytes, part }: Part, { name: member, offset: byte }: ZipMember): ZipDocument => {
    const uri = `${file.uri}!/${member}`;
    const position = { ordinal: reading.ordinal(), byte, member };
    return {
      id: part === undefined ? uri : `${uri}#${part}`,
      source: { split: reading.split, uri, position: part === undefined ? position : { ...position, part } },
      bytes,
      meta: {},
    };
  };
  async function* documents(member: ZipMember): AsyncGenerator<readonly ZipDocument[]> {
    const cutter = new PartCutter(maxDocumentBytes);
    for await (const chunk of zipContent(window, member)) {
      for (const part of cutter.push(chunk)) yield [document(part, member)];
    }
    yield [document(cutter.flush(), member)];
  }
  const place = { number: range.first, at: range.at };
  try {
    for await (const member of directory.members(place, range.count, range.ordered === 1)) {
      if (member.folder) continue;
      try {
        if (member.refused !== undefined) throw member.refused;
        yield* documents(member);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        reject(error, member.offset, member.name);
      }
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    reject(error, directory.entries.start);
  }
  const { trailing } = directory.entries;
  if (range.last === 0 || trailing === undefined) return;
  const what = `${file.size - trailing} bytes follow the archive in its file`;
  reject(new Failure('TRAILING_DATA', what, 'All members that the archive lists were read.'), trailing);
}

/** Members of ZIP archives, cut between members in the order of the directory. */
export function zipFormat(config: ZipConfig): Format<ZipDocument> {
  return {
    name: 'zip',
    async *pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
      if (file.size === 0) {
        context.reject(new RecordError(`'${file.uri}' is empty`, { code: 'EMPTY_FILE', path: file.uri }));
        return;
      }
      try {
        const open = await context.open(file);
        try {
          yield* pieces(open, context.splitBytes, config);
        } finally {
          await open.close();
        }
      } catch (error) {
        if (error instanceof Failure) context.reject(error.at(file.uri));
        else if (error instanceof RecordError) context.reject(error);
        else throw error;
      }
    },
    // A part, what is read beyond it, and the copy that leaves; the windows of the directory and of the members.
    holds: () => 2 * config.maxDocumentBytes + 2 * FileWindow.holds + (2 << 20),
    read: (file, range, reading) => readArchive(file, range as ZipRange, reading, config),
  };
}

/**
 * Files in `.zip` archives as documents, in the order of the archive's directory.
 *
 * `uri` and `id` are `archive.zip!/member`; `position.byte` is the offset of the member's header in the archive. Members
 * may be stored, deflated or Zstandard (method 93), with names in UTF-8 or code page 437; archives may be ZIP64. Size and
 * CRC-32 of each member are checked before its last part leaves. Encrypted members, links, names that lead out of the
 * archive, members that share bytes, and such as grow beyond `maxExpansion` are rejected; the others are read.
 *
 * @throws SourceError at plan time `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. Rejects:
 * docs/rejects.md.
 */
export function zip(path: Inputs, options: ZipOptions = {}): Source<ZipDocument> {
  requireOptions('zip', options, { ...LIST_OPTIONS, ...ZIP_LIMITS });
  const config = zipConfig(options);
  const format = zipFormat(config);
  return fileSource({
    kind: 'zip',
    inputs: path,
    list: options,
    options: { ...config },
    formats: [format],
    formatOf: (uri) => (isZip(uri) ? format : undefined),
    otherwise: format,
  });
}
