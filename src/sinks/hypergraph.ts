import { createHash, type Hash } from 'node:crypto';
import { OutputError } from '../errors.ts';
import { float32From, int32From, littleEndianBytes } from '../formats/littleEndian.ts';
import { SIDECAR_FORMAT } from '../formats/names.ts';
import type { SidecarContent, SidecarDocument, SidecarSegment } from '../formats/sidecar.ts';
import type { DocumentHead, Patches } from '../records.ts';
import { type Pool, sharedPool, workerModule } from '../run/pool.ts';
import { ChunkList, chained } from './chunkList.ts';
import type { SidecarFailure, SidecarTask } from './hypergraphWorker.ts';
import { headMetaJson, metaJson } from './metaJson.ts';
import { documentsOf, patchSink } from './patchSink.ts';
import type { CutOptions, Keeper, Shard, ShardPart } from './shardCut.ts';
import type { Sink, SinkContext } from './sink.ts';

export interface HypergraphOptions extends CutOptions {
  /** Threads that build the files. Default: the pool of the process. */
  readonly pool?: Pool | undefined;
}

interface Kept {
  readonly modality: string;
  readonly segments: SidecarSegment[];
  readonly hash: Hash;
  readonly lengths: ChunkList;
  readonly prominence: ChunkList;
  readonly entropy: ChunkList;
  readonly coherence: ChunkList;
}

/** Patches without their embeddings: 16 bytes for each, whatever the model's width. */
const keeper: Keeper<Kept> = {
  open: (first) => ({
    modality: first.segment.modality,
    segments: [],
    hash: createHash('sha256'),
    lengths: new ChunkList(),
    prominence: new ChunkList(),
    entropy: new ChunkList(),
    coherence: new ChunkList(),
  }),
  add(kept, { value, from, to, byteFrom, byteTo }) {
    let segment = kept.segments.at(-1);
    if (segment?.index !== value.segment.index) {
      segment = segmentOf(value, byteFrom);
      kept.segments.push(segment);
    }
    segment.patches += to - from;
    segment.bytes += byteTo - byteFrom;
    kept.hash.update(value.bytes.subarray(byteFrom, byteTo));
    kept.lengths.append(littleEndianBytes(value.lengths.subarray(from, to)));
    kept.prominence.append(littleEndianBytes(value.prominence.subarray(from, to)));
    kept.entropy.append(littleEndianBytes(value.entropy.subarray(from, to)));
    kept.coherence.append(littleEndianBytes(value.coherence.subarray(from, to)));
  },
};

/** SQLite's page cache, and what is on its way to the worker. */
const BESIDES = 20 << 20;

/**
 * Writes a hypergraph sidecar (SQLite, schema version 3) beside every file of `safetensors` with the same folder,
 * `shardBytes` and `layout`: `<dir>/<split>-<n>.hypergraph.db`. It tells which document and which bytes of it every patch
 * came from; tables, columns and blobs are described in docs/output.md.
 * Files are built in a worker thread.
 *
 * @param dir folder within the output folder. Default `shards`
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`; the flow fails with OutputError `MISSING_PACKAGE` without better-sqlite3
 */
export function hypergraph(dir = 'shards', options: HypergraphOptions = {}): Sink<Patches> {
  return patchSink({
    kind: 'hypergraph',
    dir,
    cut: options,
    extension: '.hypergraph.db',
    besides: BESIDES,
    keeper,
    write: (context, path, shard) => writeShard(context, path, shard, options.pool ?? sharedPool()),
  });
}

async function writeShard(context: SinkContext, path: string, shard: Shard<Kept>, pool: Pool): Promise<void> {
  const file = await context.file(path);
  const content = contentOf(context, shard);
  const { lengths, prominence, entropy, coherence } = content;
  const moved = [lengths, prominence, entropy, coherence].map((array) => array.buffer);
  const task: SidecarTask = { file: file.temporary, content };
  const module = workerModule(import.meta.url, './hypergraphWorker');
  const failure = await pool.run<SidecarFailure | undefined>(module, task, moved);
  if (failure !== undefined) {
    throw new OutputError(`${path} cannot be written: ${failure.message}`, {
      code: failure.code,
      path: file.temporary,
      hint: failure.hint,
    });
  }
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

function contentOf(context: SinkContext, shard: Shard<Kept>) {
  const { parts } = shard;
  const joined = (pick: (kept: Kept) => ChunkList): Uint8Array =>
    Buffer.concat([...chained(parts.map((part) => pick(part.kept)))]);
  return {
    split: context.split.id,
    shard: shard.index,
    documents: parts.map(documentOf),
    lengths: int32From(joined((kept) => kept.lengths)),
    prominence: float32From(joined((kept) => kept.prominence)),
    entropy: float32From(joined((kept) => kept.entropy)),
    coherence: float32From(joined((kept) => kept.coherence)),
  } satisfies SidecarContent;
}

function documentOf({ document, kept, ...part }: ShardPart<Kept>): SidecarDocument {
  const contentSha256 = kept.hash.digest('hex');
  return {
    id: document.id,
    uri: document.source.uri,
    position: document.source.position,
    part: part.part,
    complete: part.complete,
    patchesBefore: part.patchesBefore,
    bytesBefore: part.bytesBefore,
    documentBytes: document.byteLength,
    modality: kept.modality,
    sha256: document.sha256 ?? (isWhole(document, kept.segments) ? contentSha256 : null),
    contentSha256,
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
