import { readFile } from 'node:fs/promises';
import type { Complain } from './checkNumbers.ts';

/**
 * Checks a list of WebDataset shards, `sizes.json` or `index.json`: as many shards and samples as were counted.
 */
export async function checkShardIndex(
  file: string,
  expected: { readonly shards: number; readonly samples: number },
  complain: Complain,
): Promise<void> {
  const sizes = sizesOf(await readFile(file, 'utf8'));
  if (sizes === undefined) {
    complain('is no list of shards');
    return;
  }
  const samples = sizes.reduce((sum, size) => sum + size, 0);
  if (sizes.length !== expected.shards) complain(`lists ${sizes.length} shards, and should list ${expected.shards}`);
  if (samples !== expected.samples) complain(`lists ${samples} samples, and should list ${expected.samples}`);
}

/** Samples of each shard. */
function sizesOf(text: string): number[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { shardlist } = value as { shardlist?: unknown };
  const sizes = Array.isArray(shardlist)
    ? shardlist.map((shard: { nsamples?: unknown } | null) => shard?.nsamples)
    : Object.values(value);
  return sizes.every((size) => typeof size === 'number') ? sizes : undefined;
}
