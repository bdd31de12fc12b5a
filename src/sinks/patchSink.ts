import type { JsonValue } from '../json.ts';
import type { Patches } from '../records.ts';
import { requireValues } from '../run/valueKinds.ts';
import type { LearnedPlace } from './quantizedColumns.ts';
import { type CutOptions, checkedShardBytes, type Keeper, type Shard, ShardCutter } from './shardCut.ts';
import { checkedFolder, type Layout, shardPath } from './shardName.ts';
import type { Sink, SinkContext } from './sink.ts';

export interface PatchSinkSpec<K> {
  readonly kind: string;
  readonly dir: string;
  readonly cut: CutOptions;
  /** What decides the files besides folder and cut. */
  readonly options?: { readonly [key: string]: JsonValue } | undefined;
  /** Of each file's name, with its dot. */
  readonly extension: string;
  /** Bytes held besides the open shard. */
  readonly besides: number;
  readonly keeper: Keeper<K>;
  /** Writes and publishes one shard, in order, one at a time. */
  write(context: SinkContext, path: string, shard: Shard<K>): Promise<void>;
}

/**
 * A sink that writes one file for every shard of patches.
 * The flow fails with PipelineError `WRONG_VALUES` where anything else comes to it. `finish` reports `documents` (counted where they begin), `patches` and `bytes`: the same numbers whichever sink reports.
 *
 * @throws PipelineError `BAD_FOLDER`, `BAD_SHARD_BYTES`
 */
export function patchSink<K>(spec: PatchSinkSpec<K>): Sink<Patches> {
  const dir = checkedFolder(spec.dir);
  const shardBytes = checkedShardBytes(spec.cut.shardBytes);
  const layout: Layout = spec.cut.layout ?? 'shard';
  return {
    kind: spec.kind,
    options: { dir, shardBytes, layout, ...spec.options },
    holds: shardBytes + spec.besides,
    async open(context) {
      const cutter = new ShardCutter({ shardBytes, layout }, spec.keeper);
      const counts = { documents: 0, patches: 0, bytes: 0 };
      const write = async (shards: Iterable<Shard<K>>): Promise<void> => {
        for (const shard of shards) {
          await spec.write(context, shardPath(dir, context.split, shard, layout, spec.extension), shard);
          counts.documents += documentsOf(shard);
          counts.patches += shard.patches;
          counts.bytes += shard.bytes;
        }
      };
      return {
        write(value) {
          requireValues(spec.kind, ['patches'], value);
          return write(cutter.push(value));
        },
        async finish() {
          await write(cutter.finish());
          return counts;
        },
      };
    },
  };
}

/** Where files of a layout have what quantizers have learned: those of single documents would repeat it over and over. */
export function learnedBy({ layout }: CutOptions): LearnedPlace['learned'] {
  return layout === 'document' ? 'reference' : 'file';
}

/** Documents that begin in a shard. */
export function documentsOf(shard: Shard<unknown>): number {
  return shard.parts.filter((part) => part.part === 0).length;
}
