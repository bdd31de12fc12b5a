import { PipelineError } from '../errors.ts';
import { requireOptions } from '../knownOptions.ts';
import { PATCH_FIELDS } from '../quantization/fieldTensors.ts';
import type { Document, Patches } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import { eitherWriter } from './eitherWriter.ts';
import { byDocument } from './patchDocument.ts';
import { openQuantized, quantizedInfo } from './quantizedColumns.ts';
import { checkedCutBytes, checkedShardBytes } from './shardCut.ts';
import { checkedFolder } from './shardName.ts';
import type { Sink, SinkContext, SinkWriter } from './sink.ts';
import { indexStage } from './webdataset/indexStage.ts';
import { kinds, type MemberKind, sampleOfDocument, sampleOfPatches } from './webdataset/samples.ts';
import { extensions, FRAME_BYTES, FRAMES_AHEAD_BYTES, type TarCompression } from './webdataset/tarShard.ts';
import { SampleWriter, type ShardLimits, sampleKey } from './webdataset/writer.ts';

export interface WebdatasetOptions {
  /**
   * Default `none`, which readers can enter anywhere. About every MiB, at the end of a sample, a `zstd` file begins a frame
   * and a `gzip` file a block that needs nothing from before, so they can be entered there. Their bytes depend on the
   * release of Node that compresses them.
   */
  readonly compression?: TarCompression | undefined;
  /** Samples of a shard at most. Default 10,000. */
  readonly samples?: number | undefined;
  /** Bytes of a shard before compression, after which the next begins; a sample is never divided. Default 256 MiB. */
  readonly shardBytes?: number | undefined;
  /**
   * Most bytes of a sample of patches, counted as `shardBytes` of `safetensors` is. A document that is larger goes on as
   * further samples. Default 64 MiB.
   */
  readonly sampleBytes?: number | undefined;
  /**
   * What a sample is made of: the patches as a `safetensors` file, facts as `json`, the document's bytes as `payload`.
   * Default: `safetensors` and `json` for patches, `json` and `payload` for documents.
   */
  readonly members?: readonly MemberKind[] | undefined;
  /** Name of the dataset in `index.json`. Default: the folder. */
  readonly name?: string | undefined;
}

const OPTIONS = {
  compression: true,
  samples: true,
  shardBytes: true,
  sampleBytes: true,
  members: true,
  name: true,
} as const;

/**
 * Writes WebDataset shards, `<dir>/<split>-<n>.tar` (`.tar.gz`, `.tar.zst`), one sample for each document:
 *
 * | member | content |
 * |---|---|
 * | `<key>.safetensors` | its patches, a file as `safetensors` writes it with `layout: 'document'` |
 * | `<key>.json` | id, record, uri, position, modality, meta, total_bytes; of patches also num_patches, embed_dim, part, complete, derived |
 * | `<key>.<extension>` | its bytes: those of the segments in order, or those of the document |
 *
 * Keys are `<split>-<number of the document in it>`, with `_<part>` from the second part of a large document on: unique
 * over the run, and without dots, which WebDataset readers cut names at. The first value of a split decides whether it
 * holds patches or documents. Archives are plain ustar without times or owners. When the last split is done,
 * `<dir>/sizes.json` and `<dir>/index.json` list the shards. A split without values writes nothing.
 *
 *     webdataset('wds', { compression: 'zstd', members: ['safetensors', 'json', 'payload'] })
 *
 * @param dir folder within the output folder. Default `wds`
 * @throws PipelineError `BAD_FOLDER`, `BAD_COMPRESSION`, `BAD_SAMPLES`, `BAD_SHARD_BYTES`, `BAD_SAMPLE_BYTES`, `BAD_MEMBERS`; the flow fails
 * with `BAD_MEMBERS` where documents should be written as safetensors, `QUANTIZER_FILE` as that of `safetensors`, `MIXED_VALUES` or `WRONG_VALUES`
 */
export function webdataset(dir = 'wds', options: WebdatasetOptions = {}): Sink<Document | Patches> {
  requireOptions('webdataset', options, OPTIONS);
  const { compression = 'none', samples = 10_000, shardBytes = 256 << 20, members, name = dir } = options;
  const sampleBytes = checkedCutBytes('sampleBytes', 'BAD_SAMPLE_BYTES', options.sampleBytes ?? 64 << 20);
  if (!Object.hasOwn(extensions, compression)) {
    throw new PipelineError(`files cannot be compressed with '${compression}'`, {
      code: 'BAD_COMPRESSION',
      hint: didYouMean(compression, Object.keys(extensions)),
    });
  }
  if (!Number.isSafeInteger(samples) || samples < 1) {
    throw new PipelineError(`samples is ${samples}`, { code: 'BAD_SAMPLES', hint: 'give a whole number, at least 1' });
  }
  const limits: ShardLimits = {
    dir: checkedFolder(dir),
    compression,
    samples,
    shardBytes: checkedShardBytes(shardBytes),
  };
  const wanted = checkedMembers(members);
  // A sample, once more where its payload or a frame of it is joined, and what the compressor makes of that.
  const copies = compression === 'none' ? 2 : 4;
  return {
    kind: 'webdataset',
    options: { ...limits, sampleBytes, members: wanted ?? null, name },
    holds: copies * (sampleBytes + FRAME_BYTES) + 2 * FRAMES_AHEAD_BYTES,
    open: async (context) =>
      eitherWriter('webdataset', {
        documents: () => documentWriter(context, limits, wanted ?? ['json', 'payload']),
        patches: (first) => patchWriter(context, limits, sampleBytes, wanted ?? ['safetensors', 'json'], first),
      }),
    after: [indexStage(dir, name)],
  };
}

/** Those that are asked for, in the order in which they are written. */
function checkedMembers(members: readonly MemberKind[] | undefined): MemberKind[] | undefined {
  if (members === undefined) return undefined;
  const unknown = members.find((member) => !kinds.includes(member));
  if (unknown === undefined && members.length > 0) return kinds.filter((kind) => members.includes(kind));
  throw new PipelineError(`samples cannot be made of ${unknown === undefined ? 'nothing' : `'${unknown}'`}`, {
    code: 'BAD_MEMBERS',
    hint: unknown === undefined ? `name some of ${kinds.join(', ')}` : didYouMean(unknown, kinds),
  });
}

function documentWriter(
  context: SinkContext,
  limits: ShardLimits,
  wanted: readonly MemberKind[],
): SinkWriter<Document> {
  if (wanted.includes('safetensors')) {
    throw new PipelineError('documents cannot be written as safetensors: they have no patches', {
      code: 'BAD_MEMBERS',
      hint: "leave 'safetensors' out of the members of webdataset(), or put the sink behind patch()",
    });
  }
  const writer = new SampleWriter(context, limits, 'documents');
  return {
    async write(document) {
      const key = sampleKey(context.split.id, writer.documents, 0);
      await writer.add(await sampleOfDocument(document, key, wanted));
    },
    finish: () => writer.finish(),
  };
}

function patchWriter(
  context: SinkContext,
  limits: ShardLimits,
  sampleBytes: number,
  wanted: readonly MemberKind[],
  first: Patches,
): SinkWriter<Patches> {
  const holdsFields = wanted.includes('safetensors');
  const quantized = holdsFields ? openQuantized(first, PATCH_FIELDS, { sink: 'webdataset', learned: 'reference' }) : [];
  const writer = new SampleWriter(context, limits, 'patches', quantizedInfo(quantized));
  const documents = byDocument('webdataset', sampleBytes, async (document) => {
    const number = document.part === 0 ? writer.documents : writer.documents - 1;
    const key = sampleKey(context.split.id, number, document.part);
    await writer.add(await sampleOfPatches(document, key, wanted));
  });
  return {
    write: (value) => documents.write(holdsFields ? value : { ...value, quantized: undefined }),
    async finish() {
      await documents.finish();
      return writer.finish();
    },
  };
}
