import path from 'node:path';
import { RecordError, SluiceError, SourceError } from '../errors.ts';
import { requireOptions } from '../knownOptions.ts';
import { filesBeside, olderDocuments } from '../layouts/beside.ts';
import { type ByteFile, byteFileOf as inMemory } from '../layouts/byteFile.ts';
import { openCorpusDb } from '../layouts/corpusDb.ts';
import type { LayoutDocument } from '../layouts/document.ts';
import type { LayoutOptions } from '../layouts/openLayout.ts';
import { besideShard, openShard } from '../layouts/openShard.ts';
import { layoutOf, tableOf } from '../layouts/openTable.ts';
import { Tensors } from '../layouts/tensors.ts';
import { MAX_SAMPLE_BYTES, sampleDocument, samples } from '../layouts/webdataset.ts';
import type { Patches } from '../records.ts';
import { schemeOf } from '../storage/location.ts';
import { Failure } from './failure.ts';
import { type FilePlan, type Format, fileSource, gated, type Piece, type Range, type Reading } from './file-source.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import { changed, type OpenFile } from './open-file.ts';
import { chainValues, shardValues, stampOf } from './patchFiles/chain.ts';
import { olderValues } from './patchFiles/older.ts';
import { isOutput } from './patchFiles/output.ts';
import { isChain, outputSplits } from './patchFiles/outputSplits.ts';
import type { Absent, Made } from './patchFiles/values.ts';
import type { Source } from './source.ts';
import { isTar } from './tar.ts';
import type { FoundFile } from './walk.ts';

export interface PatchFilesOptions extends ListOptions, LayoutOptions {
  /** Folder of shards within an output of ours. Default: the only one that holds patches. */
  readonly dir?: string | undefined;
  /**
   * What stands for signals that older files do not hold. Default: nothing, and files without them are rejected as
   * `NO_SIGNALS`.
   */
  readonly absent?: Absent | undefined;
  /**
   * Whether values carry the quantized fields of files as they are kept, so that sinks write them again as they are. Without
   * it they carry float32 values alone, which those are decoded to. Default: false.
   */
  readonly asStored?: boolean | undefined;
}

const OPTIONS = {
  ...LIST_OPTIONS,
  dir: true,
  absent: { prominence: true, entropy: true },
  specialTokens: true,
  quantizer: true,
  maxSampleBytes: true,
  asStored: true,
} as const;

/** Rows that are on their way, and what a table reads at a time. */
const BESIDES = 8 << 20;

/**
 * Patches that lie in files: an output folder of ours in the order of its manifest, or files of older layouts (a folder,
 * a list, a pattern; safetensors, WebDataset archives, corpus databases) as `docs/layouts.md` describes them.
 *
 * A split is a shard of an output, several where a document goes on in the next; or some older files. Documents and
 * segments come from the sidecar beside a shard, signals of bytes from the file of signals; coherence is computed anew. An
 * older file is one document of one segment, unless a sidecar tells more of them; a document is given whole or rejected.
 *
 *     definePipeline('again', patchFiles('out/ingest')).to(safetensors('small', { shardBytes: 1 << 20 }))
 *
 * @throws SourceError at plan time `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`, `INCOMPLETE`, `AMBIGUOUS`; while reading
 *   `INPUT_CHANGED`, `SHARDS_APART`. Rejects: docs/rejects.md
 */
export function patchFiles(inputs: Inputs, options: PatchFilesOptions = {}): Source<Patches> {
  requireOptions('patchFiles', options, OPTIONS);
  const {
    dir,
    absent = {},
    specialTokens,
    quantizer,
    maxSampleBytes = MAX_SAMPLE_BYTES,
    asStored = false,
    ...list
  } = options;
  const made: Made = { absent, specialTokens, quantizer: quantizer && path.resolve(quantizer), asStored };
  const tensors = tensorFormat(made);
  const archive = archiveFormat(made, maxSampleBytes);
  const corpus = corpusFormat(made);
  const older = (among: Inputs): Source<Patches> =>
    fileSource({
      kind: 'patchFiles',
      inputs: among,
      list,
      options: {
        dir: dir ?? null,
        absent: { ...absent },
        specialTokens: specialTokens ?? true,
        maxSampleBytes,
        // where the quantizer lies decides nothing: the files say which one it must be
        ...(asStored ? { asStored } : {}),
      },
      formats: [tensors, archive, corpus],
      formatOf(uri) {
        if (isTar(uri)) return archive;
        if (uri.endsWith('.safetensors')) return uri.endsWith('.signals.safetensors') ? undefined : tensors;
        return uri.endsWith('.db') && !uri.endsWith('.hypergraph.db') ? corpus : undefined;
      },
      otherwise: tensors,
    });
  const all = typeof inputs === 'string' ? [inputs] : inputs;
  // One source: what it fetches ahead is there for its own reading alone.
  const every = older(inputs);
  return {
    ...every,
    async *splits(context) {
      let others: string[] = [];
      for (const input of all) {
        if (!isOutput(input)) {
          others.push(input);
          continue;
        }
        if (others.length > 0) yield* older(others).splits(context);
        others = [];
        yield* outputSplits(input, dir);
      }
      if (others.length > 0) yield* older(others).splits(context);
    },
    read(split) {
      const { spec } = split;
      if (!isChain(spec)) return every.read(split);
      return gated('patchFiles', split, spec.holds + BESIDES, (reading) => chainValues(spec.shards, reading, made));
    },
  };
}

/** Remote files up to this are fetched once, whole: values are checked before any of them is given, which reads them twice. */
const WHOLE = 32 << 20;

/** An open file of a split; what fails while it is read is no fault of one record. */
function byteFileOf(file: OpenFile): ByteFile {
  return {
    path: file.uri,
    size: file.size,
    read: (start, end) =>
      file.read(start, end).catch((error: unknown) => {
        throw error instanceof Failure
          ? new SourceError(error.message, { code: error.code, path: file.uri, cause: error })
          : error;
      }),
    close: async () => {},
  };
}

/** What lies beside a file decides what is read of it: sizes, and the time of the latest change. */
async function besides(local: string | undefined, tensors: Tensors): Promise<Range> {
  if (local === undefined) return { besideBytes: 0, besideMtimeMs: 0 };
  const shard = besideShard(local);
  const names = [...filesBeside(local, tensors.header.metadata), shard.sidecar, shard.signals];
  const stamps = await Promise.all([...new Set(names)].map(stampOf));
  return {
    besideBytes: stamps.reduce((sum, stamp) => sum + (stamp?.size ?? 0), 0),
    besideMtimeMs: stamps.reduce((most, stamp) => Math.max(most, stamp?.mtimeMs ?? 0), 0),
  };
}

function tensorFormat(made: Made): Format<Patches> {
  return {
    name: 'tensors',
    async *pieces(file, context) {
      yield* planned(file, context, async (open) => {
        const tensors = await Tensors.open(byteFileOf(open));
        const { bytes } = await tableOf(tensors, made, { near: open.local });
        const isRemote = schemeOf(open.location) !== undefined;
        const whole = isRemote && open.size <= WHOLE ? { start: 0, end: open.size } : {};
        return { holds: bytes, ...whole, ...(await besides(open.local, tensors)) };
      });
    },
    holds: ({ holds = 0, start = 0, end = start }) => holds + end - start + BESIDES,
    async *read(file, range, reading) {
      const { start, end } = range;
      const isWhole = start === 0 && end === file.size;
      const bytes = isWhole ? inMemory(file.uri, await byteFileOf(file).read(0, file.size)) : byteFileOf(file);
      const tensors = await Tensors.open(bytes);
      const now = await besides(file.local, tensors);
      if (now['besideBytes'] !== range['besideBytes'] || now['besideMtimeMs'] !== range['besideMtimeMs'])
        throw changed(file.uri, 'what lies beside it was written to');
      if (layoutOf(tensors) === 'sluice' && file.local !== undefined) {
        const shard = await openShard(tensors, file.local, made);
        try {
          yield* attempted(file, reading, () => each(shard.documents(), file, reading, made, shardValues));
        } finally {
          await shard.close();
        }
        return;
      }
      const table = await tableOf(tensors, made, { near: file.local });
      yield* attempted(file, reading, async function* () {
        await table.check();
        yield* each(olderDocuments(table, file.uri, file.local), file, reading, made);
      });
    },
  };
}

function archiveFormat(made: Made, maxSampleBytes: number): Format<Patches> {
  return {
    name: 'webdataset',
    pieces: (file) => [{ bytes: file.size, range: { start: 0, end: file.size } }],
    // a sample and the copies that the reading of archives leaves
    holds: () => 3 * maxSampleBytes + BESIDES,
    async *read(file, _range, reading) {
      for await (const sample of samples(file, reading, { maxSampleBytes })) {
        yield* attempted(file, reading, async function* () {
          const document = await sampleDocument(sample, made, file.local);
          await document.table.check();
          yield* olderValues(document, reading, made);
        });
      }
    },
  };
}

function corpusFormat(made: Made): Format<Patches> {
  return {
    name: 'corpus-db',
    pieces: (file, context) =>
      planned(file, context, async ({ local, uri }) => {
        (await openCorpusDb(local ?? uri)).close();
        return {};
      }),
    // documents were read whole by the program that wrote it
    holds: () => 64 << 20,
    async *read(file, _range, reading) {
      const corpus = await openCorpusDb(file.local ?? file.uri);
      try {
        yield* attempted(file, reading, () => each(corpus.documents(), file, reading, made));
      } finally {
        corpus.close();
      }
    },
  };
}

/** One piece, if the file can be made out. */
async function* planned(
  file: FoundFile,
  context: FilePlan,
  look: (open: OpenFile) => Promise<Range>,
): AsyncGenerator<Piece> {
  try {
    const open = await context.open(file);
    try {
      yield { bytes: file.size, range: await look(open) };
    } finally {
      await open.close();
    }
  } catch (error) {
    context.reject(asReject(error, file.uri));
  }
}

async function* each(
  documents: AsyncIterable<LayoutDocument> | Iterable<LayoutDocument>,
  file: OpenFile,
  reading: Reading,
  made: Made,
  values = olderValues,
): AsyncGenerator<readonly Patches[]> {
  for await (const document of documents) yield* attempted(file, reading, () => values(document, reading, made));
}

/** Rejects what fails before its first value; what fails later would leave a document cut off. */
async function* attempted<T>(file: OpenFile, reading: Reading, values: () => AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* values();
  } catch (error) {
    reading.reject(asReject(error, file.uri, { ordinal: reading.ordinal() }));
  }
}

/** @throws the error itself where it is no fault of the record */
function asReject(error: unknown, uri: string, position?: { readonly ordinal: number }): RecordError {
  if (!(error instanceof SluiceError) || error instanceof SourceError) throw error;
  const { message, code, hint, cause } = error;
  return new RecordError(message, {
    code,
    path: uri,
    position: { ...position, ...error.position, ordinal: position?.ordinal ?? 0 },
    hint,
    cause,
  });
}
