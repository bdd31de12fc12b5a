import { DecoderPool } from './decoderPool.ts';
import type { Limits } from './limits.ts';

const pools = new Map<string, DecoderPool>();

/** The pool for these limits: all flows of this process that have the same limits share its processes. */
export function sharedDecoders(limits: Limits): DecoderPool {
  const key = JSON.stringify(limits);
  let pool = pools.get(key);
  if (pool === undefined) {
    pool = new DecoderPool(limits);
    pools.set(key, pool);
  }
  return pool;
}
