import type { RemoteOptions } from '../storage/remoteOptions.ts';
import type { Stores } from '../storage/stores.ts';
import type { Work } from './file-source.ts';
import type { Ahead, Split } from './source.ts';

const AHEAD = { splits: 2, bytes: 64 << 20 };

/** Fetches what splits of remote files will be read from: ranges into memory, or whole files into a cache. */
export function filesAhead<T>(
  { cache = false, prefetch = {} }: RemoteOptions = {},
  stores: Stores,
  workOf: (split: Split) => readonly Work<T>[],
): Ahead {
  const { splits: most = AHEAD.splits, bytes = AHEAD.bytes } = prefetch;
  return {
    splits: most,
    bytes,
    holds: cache || most === 0 ? 0 : bytes,
    async fetch(split, signal) {
      for (const { format, range, file } of workOf(split)) {
        const { start, end } = range;
        const whole = start === undefined || end === undefined ? [] : [{ start, end }];
        await stores.fetch(file, (open) => format.needs?.(open, range) ?? whole, signal);
      }
    },
  };
}

/** Bytes of a split that were fetched before its turn, and are held until they are read while others are fetched. */
export function heldAhead({ bytes }: Split, ahead: Ahead | undefined): number {
  return ahead === undefined || ahead.holds === 0 || bytes > ahead.bytes ? 0 : bytes;
}
