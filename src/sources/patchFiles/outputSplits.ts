import path from 'node:path';
import { SourceError } from '../../errors.ts';
import type { JsonValue } from '../../json.ts';
import type { Split } from '../source.ts';
import { type PlannedShard, plannedShard } from './chain.ts';
import { chainsOf, longestSegment, outputShards } from './output.ts';

/** Shards of one split. */
interface Chain {
  readonly shards: readonly PlannedShard[];
  readonly holds: number;
}

/** What `outputSplits` wrote; the plan's digest vouches for its members. */
export function isChain(spec: JsonValue): spec is JsonValue & Chain {
  return typeof spec === 'object' && spec !== null && 'shards' in spec;
}

/**
 * The splits of an output: a shard each, or several where a document goes on in the next.
 * @throws SourceError as `outputShards`, `DAMAGED` where a shard is not as long as the manifest says
 */
export async function* outputSplits(root: string, dir: string | undefined): AsyncGenerator<Omit<Split, 'id'>> {
  for (const chain of chainsOf(await outputShards(path.resolve(root), dir))) {
    const shards: PlannedShard[] = [];
    let holds = 0;
    for (const shard of chain) {
      const planned = await plannedShard(shard.path);
      if (planned.tensors.size !== shard.size) {
        throw new SourceError(
          `'${shard.path}' has ${planned.tensors.size} bytes, and its manifest says ${shard.size}`,
          {
            code: 'DAMAGED',
            path: shard.path,
            hint: 'check the output with sluice verify',
          },
        );
      }
      shards.push(planned);
      holds = Math.max(holds, await longestSegment(shard));
    }
    const spec = { shards: shards.map(({ ...shard }) => ({ ...shard })), holds };
    // interfaces have no index signature, which JsonValue asks for
    yield { bytes: chain.reduce((sum, { bytes }) => sum + bytes, 0), spec: spec as unknown as JsonValue };
  }
}
