import { isOfArchive, sampleName } from '../archives/sampleKey.ts';
import { isFolder, refusal, type TarEntry } from '../archives/tarEntry.ts';
import { type TarReport, tarMembers } from '../archives/tarMembers.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Document, Meta, MetaValue } from '../records.ts';
import { compressionOf, decompress, MAX_EXPANSION } from './compression.ts';
import { Failure } from './failure.ts';
import { type Format, fileSource, type Range, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { MAX_DOCUMENT_BYTES, type Part, PartCutter } from './parts.ts';
import { metaOf } from './sample-meta.ts';
import { type Sample, SampleGatherer, type SampleMember } from './samples.ts';
import { shardNames } from './shard-names.ts';
import type { Source } from './source.ts';
import { archivePieces, isTar } from './tar.ts';

export interface WebdatasetOptions extends ListOptions {
  /**
   * Extensions whose members become documents, without the dot: `['jpg', 'txt']`. Default: all but those of `meta` and
   * those that begin with `__`.
   */
  readonly payload?: readonly string[] | undefined;
  /** Extensions whose members become metadata of the sample's documents. Default: `['json']`. */
  readonly meta?: readonly string[] | undefined;
  /** Bytes of a sample at most; it is held until its last member was read. Default: 256 MiB. */
  readonly maxSampleBytes?: number | undefined;
  /** Bytes of a document at most; a larger member is cut into parts. Default: 16 MiB. */
  readonly maxDocumentBytes?: number | undefined;
  /** Decompressed bytes per compressed byte at most. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

const OPTIONS = {
  ...LIST_OPTIONS,
  payload: true,
  meta: true,
  maxSampleBytes: true,
  maxDocumentBytes: true,
  maxExpansion: true,
} as const;

/** Fields of the sample's `json` member, other members by their extensions, and: */
export interface SampleMeta extends Meta {
  /** Key of the sample. */
  readonly __key__: MetaValue;
  /** The archive. */
  readonly __url__: MetaValue;
}

interface Config {
  readonly payload: readonly string[] | null;
  readonly meta: readonly string[];
  readonly maxSampleBytes: number;
  readonly maxDocumentBytes: number;
  readonly maxExpansion: number;
}

type SampleDocument = Document<SampleMeta>;

async function* readArchive(
  file: OpenFile,
  range: Range,
  reading: Reading,
  config: Config,
): AsyncGenerator<readonly SampleDocument[]> {
  const { start = 0, end = file.size } = range;
  const compression = compressionOf(file.uri);
  const raw = file.stream(start, end);
  const chunks = compression === undefined ? raw : decompress(raw, compression, config.maxExpansion);
  const reject = (failure: Failure, byte: number, member?: string): void => {
    const position = { ordinal: reading.ordinal(), byte, ...(member === undefined ? {} : { member }) };
    reading.reject(failure.at(file.uri, position));
  };
  const isPayload = (extension: string): boolean =>
    config.payload?.includes(extension) ?? !(config.meta.includes(extension) || extension.startsWith('__'));
  const gatherer = new SampleGatherer({
    maxSampleBytes: config.maxSampleBytes,
    wants: (extension) => isPayload(extension) || config.meta.includes(extension),
    reject: (failure, { byte, name }) => reject(failure, byte, name),
  });
  /** Where the archive ends too early. */
  let broken: number | undefined;
  const report: TarReport = {
    refused: reject,
    broken(failure, byte, name) {
      broken = byte;
      reject(failure, byte, name);
    },
  };
  function* documents(sample: Sample): Generator<readonly SampleDocument[]> {
    const fields = metaOf(sample, config.meta, (failure, { byte, name }) => reject(failure, byte, name));
    const record = `${file.uri}!/${sample.key}`;
    const meta = { ...fields, __key__: sample.key, __url__: file.uri };
    const document = ({ bytes, start: offset, part }: Part, { name: member, byte }: SampleMember): SampleDocument => {
      const uri = `${file.uri}!/${member}`;
      const position = { ordinal: reading.ordinal(), byte: byte + offset, member };
      return {
        id: part === undefined ? uri : `${uri}#${part}`,
        record,
        source: { split: reading.split, uri, position: part === undefined ? position : { ...position, part } },
        bytes,
        meta,
      };
    };
    for (const member of sample.members.values()) {
      if (!isPayload(member.extension)) continue;
      const cutter = new PartCutter(config.maxDocumentBytes);
      for (const part of cutter.push(member.bytes)) yield [document(part, member)];
      yield [document(cutter.flush(), member)];
    }
  }
  for await (const sample of tarMembers(chunks, start, end === file.size, report, (member) => gatherer.take(member))) {
    yield* documents(sample);
  }
  const { key } = gatherer;
  if (broken === undefined) for (const sample of gatherer.flush()) yield* documents(sample);
  else if (key !== undefined) {
    reject(new Failure('INCOMPLETE_SAMPLE', `of the sample '${key}', members may be missing: it is left out`), broken);
  }
}

/** Whether a range may begin with a member: whether it is the first one of a sample. */
function sampleStarts(): (entry: TarEntry) => boolean {
  let last: string | undefined;
  return (entry) => {
    if (isFolder(entry) || refusal(entry) !== undefined || isOfArchive(entry.name)) return false;
    const key = sampleName(entry.name)?.key;
    if (key === undefined || key === last) return false;
    last = key;
    return true;
  };
}

function webdatasetFormat(config: Config): Format<SampleDocument> {
  return {
    name: 'webdataset',
    pieces: (file, context) => archivePieces(file, context, sampleStarts()),
    // A sample, a part of it and the copy that leaves, and buffers.
    holds: () => config.maxSampleBytes + 2 * config.maxDocumentBytes + (2 << 20),
    read: (file, range, reading) => readArchive(file, range, reading, config),
  };
}

/**
 * Samples of WebDataset shards, `.tar`, `.tar.gz`/`.tgz` or `.tar.zst`/`.tzst`: consecutive members whose paths are the same
 * up to the first dot of the last part, the sample's key. Names may hold ranges: `shards/{000..012}.tar`.
 *
 * Each payload member becomes a document, `id` and `uri` are `shard.tar!/<key>.<extension>`; those of one sample share
 * `record`, `shard.tar!/<key>`, and `meta`: the fields of the sample's `json`, `__key__`, `__url__`, and the other members that
 * `meta` names, under their extensions, as integers or text. Plain shards are cut between samples.
 *
 * As Python's `webdataset` has it, extensions are in lower case, `__name__` members are of the archive, and a key that comes
 * back later is another sample. Unlike there, what cannot be used is rejected: a member without extension or with one
 * that its sample has already (the first is kept), a sample larger than `maxSampleBytes`, and, of a shard that breaks off,
 * the last sample.
 *
 *     webdataset('hf://datasets/owner/name/{00000..00099}.tar', { payload: ['jpg', 'txt'], meta: ['json', 'cls'] })
 *
 * @throws SourceError at plan time `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. PipelineError
 * `BAD_PATTERN`. Rejects: docs/rejects.md.
 */
export function webdataset(path: Inputs, options: WebdatasetOptions = {}): Source<SampleDocument> {
  requireOptions('webdataset', options, OPTIONS);
  const lower = (extensions: readonly string[]): string[] => extensions.map((extension) => extension.toLowerCase());
  const config = {
    payload: options.payload === undefined ? null : lower(options.payload),
    meta: lower(options.meta ?? ['json']),
    maxSampleBytes: checkedLimit('maxSampleBytes', options.maxSampleBytes ?? 256 << 20, 1),
    maxDocumentBytes: checkedLimit('maxDocumentBytes', options.maxDocumentBytes ?? MAX_DOCUMENT_BYTES, 64),
    maxExpansion: checkedLimit('maxExpansion', options.maxExpansion ?? MAX_EXPANSION, 1),
  };
  const format = webdatasetFormat(config);
  return fileSource({
    kind: 'webdataset',
    inputs: shardNames(path),
    list: options,
    options: { ...config },
    formats: [format],
    formatOf: (uri) => (isTar(uri) ? format : undefined),
    otherwise: format,
  });
}
