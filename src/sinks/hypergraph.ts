import { createHash, type Hash } from 'node:crypto';
import { float32From, int32From, littleEndianBytes } from '../formats/littleEndian.ts';
import { SIDECAR_FORMAT } from '../formats/names.ts';
import type { SidecarContent, SidecarDocument, SidecarSegment } from '../formats/sidecar.ts';
import { requireOptions } from '../knownOptions.ts';
import {
  SEMANTIC_OPTIONS,
  type SemanticOptions,
  type SemanticSettings,
  semanticSettings,
} from '../lsh/semantic/settings.ts';
import type { DocumentHead, Patches } from '../records.ts';
import { type Pool, sharedPool, workerModule } from '../run/pool.ts';
import { ChunkList, chained } from './chunkList.ts';
import { corpusStage } from './hypergraph/corpusStage.ts';
import { requireDone } from './hypergraph/failure.ts';
import type { SidecarAnswer, SidecarTask } from './hypergraphWorker.ts';
import { headMetaJson, metaJson } from './metaJson.ts';
import { documentsOf, patchSink } from './patchSink.ts';
import {
  CUT_OPTIONS,
  type CutOptions,
  checkedShardBytes,
  type Keeper,
  type Shard,
  type ShardPart,
} from './shardCut.ts';
import { checkedName } from './shardName.ts';
import type { Sink, SinkContext } from './sink.ts';

export interface HypergraphOptions extends CutOptions {
  /**
   * Links patches that are alike to the model by `semantic` edges, within each shard; `true` takes all defaults. It keeps
   * the embeddings of the open shard in memory and costs some 40 microseconds of a worker for each patch of 128 numbers,
   * 400 for 768. Default: false.
   */
  readonly semantic?: boolean | SemanticOptions | undefined;
  /**
   * Name of one database in the output folder, such as `hypergraph.db`, for the whole run besides the sidecars: all documents
   * with numbers of their own, those that shards divide made whole again, `same_source` edges across shards, and with
   * `semantic` edges between documents. It is made when the last split is done.
   */
  readonly into?: string | undefined;
  /** Threads that build the files. Default: the pool of the process. */
  readonly pool?: Pool | undefined;
}

const OPTIONS = { ...CUT_OPTIONS, semantic: SEMANTIC_OPTIONS, into: true, pool: true } as const;

interface Kept {
  readonly modality: string;
  readonly segments: SidecarSegment[];
  /** Of the bytes in this shard. */
  readonly hash: Hash;
  /** Of all bytes so far, where earlier shards hold some. */
  readonly whole: Hash | undefined;
  readonly lengths: ChunkList;
  readonly prominence: ChunkList;
  readonly entropy: ChunkList;
  readonly coherence: ChunkList;
  /** Where they are asked for. */
  readonly embeddings: ChunkList | undefined;
}

/** 16 bytes for each patch, whatever the model's width, and its embedding where that is asked for. */
function keeperOf(withEmbeddings: boolean): Keeper<Kept> {
  return {
    open: (first, _part, before) => ({
      modality: first.segment.modality,
      segments: [],
      hash: createHash('sha256'),
      whole: before && (before.whole ?? before.hash),
      lengths: new ChunkList(),
      prominence: new ChunkList(),
      entropy: new ChunkList(),
      coherence: new ChunkList(),
      embeddings: withEmbeddings ? new ChunkList() : undefined,
    }),
    add(kept, { value, from, to, byteFrom, byteTo }) {
      let segment = kept.segments.at(-1);
      if (segment?.index !== value.segment.index) {
        segment = segmentOf(value, byteFrom);
        kept.segments.push(segment);
      }
      segment.patches += to - from;
      segment.bytes += byteTo - byteFrom;
      const bytes = value.bytes.subarray(byteFrom, byteTo);
      kept.hash.update(bytes);
      kept.whole?.update(bytes);
      kept.lengths.append(littleEndianBytes(value.lengths.subarray(from, to)));
      kept.prominence.append(littleEndianBytes(value.prominence.subarray(from, to)));
      kept.entropy.append(littleEndianBytes(value.entropy.subarray(from, to)));
      kept.coherence.append(littleEndianBytes(value.coherence.subarray(from, to)));
      kept.embeddings?.append(littleEndianBytes(value.embeddings.subarray(from * value.dim, to * value.dim)));
    },
  };
}

/** SQLite's page cache, and what is on its way to the worker. */
const BESIDES = 20 << 20;
/** The embeddings once more, and what pairs of patches are found with, for embeddings of 64 numbers and more. */
const SEMANTIC_COPIES = 3;

/**
 * Writes a hypergraph sidecar (SQLite, schema version 3) beside every file of `safetensors` with the same folder,
 * `shardBytes` and `layout`: `<dir>/<split>-<n>.hypergraph.db`. It tells which document and which bytes of it every patch
 * came from, and how patches and documents are linked: `contains`, `next`, `same_source`, and where it is asked for
 * `semantic`. Tables, columns and blobs are described in docs/output.md; `sluice/hypergraph` reads them.
 * Files are built in a worker thread. Behind `quantize` all numbers in it, and the links, are still those of the float32 values.
 *
 *     hypergraph('shards', { semantic: { threshold: 0.85 }, into: 'hypergraph.db' })
 *
 * @param dir folder within the output folder. Default `shards`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`, `BAD_NAME`, `BAD_THRESHOLD`, `BAD_OPTION`; the flow fails with
 *   OutputError `MISSING_PACKAGE` without better-sqlite3, `NO_EMBEDDINGS` or `BAD_VECTOR` where `semantic` lacks states
 */
export function hypergraph(dir = 'shards', options: HypergraphOptions = {}): Sink<Patches> {
  requireOptions('hypergraph', options, OPTIONS);
  const { semantic = false, into } = options;
  const settings =
    semantic === false ? undefined : semanticSettings(semantic === true ? {} : semantic, into !== undefined);
  const copies = settings === undefined ? 0 : SEMANTIC_COPIES * checkedShardBytes(options.shardBytes);
  const sink = patchSink({
    kind: 'hypergraph',
    dir,
    cut: options,
    options: {
      ...(settings && { semantic: { ...settings } }),
      ...(into !== undefined && { into: checkedName(into) }),
    },
    extension: '.hypergraph.db',
    besides: BESIDES + copies,
    keeper: keeperOf(settings !== undefined),
    write: (context, path, shard) =>
      writeShard(context, path, contentOf(context, shard, settings), shard, options.pool),
  });
  return into === undefined ? sink : { ...sink, after: [corpusStage(dir, into, settings)] };
}

async function writeShard(
  context: SinkContext,
  path: string,
  content: SidecarContent,
  shard: Shard<Kept>,
  pool: Pool = sharedPool(),
): Promise<void> {
  const file = await context.file(path);
  const { lengths, prominence, entropy, coherence, semantic } = content;
  const arrays = [lengths, prominence, entropy, coherence, ...(semantic === undefined ? [] : [semantic.embeddings])];
  const task: SidecarTask = { file: file.temporary, content };
  const module = workerModule(import.meta.url, './hypergraphWorker');
  const moved = arrays.map((array) => array.buffer as ArrayBuffer);
  requireDone(await pool.run<SidecarAnswer>(module, task, moved), path, file.temporary);
  await file.publish({
    format: SIDECAR_FORMAT,
    split: context.split.id,
    shard: shard.index,
    patches: shard.patches,
    bytes: shard.bytes,
    documents: documentsOf(shard),
    parts: shard.parts.length,
  });
}

function contentOf(context: SinkContext, shard: Shard<Kept>, settings: SemanticSettings | undefined): SidecarContent {
  const { parts, dim } = shard;
  const floats = (pick: (kept: Kept) => ChunkList | undefined): Float32Array<ArrayBuffer> =>
    float32From(Buffer.concat([...chained(parts.map((part) => pick(part.kept) ?? []))]));
  return {
    split: context.split.id,
    shard: shard.index,
    documents: parts.map(documentOf),
    lengths: int32From(Buffer.concat([...chained(parts.map((part) => part.kept.lengths))])),
    prominence: floats((kept) => kept.prominence),
    entropy: floats((kept) => kept.entropy),
    coherence: floats((kept) => kept.coherence),
    ...(settings && { semantic: { settings, dim, embeddings: floats((kept) => kept.embeddings) } }),
  };
}

function documentOf({ document, kept, ...part }: ShardPart<Kept>): SidecarDocument {
  // the next shard may go on with either
  const contentSha256 = kept.hash.copy().digest('hex');
  const wholeSha256 = kept.whole?.copy().digest('hex') ?? null;
  return {
    id: document.id,
    uri: document.source.uri,
    record: document.record ?? null,
    position: document.source.position,
    part: part.part,
    complete: part.complete,
    patchesBefore: part.patchesBefore,
    bytesBefore: part.bytesBefore,
    documentBytes: document.byteLength,
    modality: kept.modality,
    sha256: document.sha256 ?? (isWhole(document, kept.segments) ? contentSha256 : null),
    contentSha256,
    wholeSha256,
    meta: headMetaJson(document),
    segments: kept.segments,
  };
}

/** True where the segments are the source record itself, byte for byte: then its hash is known. */
function isWhole(document: DocumentHead, segments: readonly SidecarSegment[]): boolean {
  let end = 0;
  for (const { derived, originStart, start, bytes, segmentBytes } of segments) {
    if (derived !== null || originStart !== end || start !== 0 || bytes !== segmentBytes) return false;
    end += bytes;
  }
  return end === document.byteLength;
}

function segmentOf({ segment, offset }: Patches, byteFrom: number): SidecarSegment {
  return {
    index: segment.index,
    label: segment.label,
    modality: segment.modality,
    mediaType: segment.mediaType,
    patches: 0,
    bytes: 0,
    start: offset + byteFrom,
    segmentBytes: segment.bytes.length,
    originStart: segment.origin.start,
    originEnd: segment.origin.end,
    derived: segment.origin.derived ?? null,
    meta: metaJson(segment.meta),
  };
}
