import type { OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import { checkCounted, checkLimit, checkSize, type Limit } from './limit.ts';
import type { StageOptions } from './stage.ts';
import { transduce } from './transduce.ts';

export interface BatchOptions<T> extends Limit, Omit<StageOptions, 'kind' | 'weight' | 'least'> {
  /** Bytes of one value; needed with `bytes`. Default: 0. */
  readonly sizeOf?: ((value: T) => number) | undefined;
}

/**
 * Values into arrays, cut by count and bytes and never by time: where the cuts fall depends on the values alone.
 *
 * A batch has at most `items` values and at most `bytes` bytes: a value that would exceed `bytes` begins the next batch,
 * and only a value that is larger than `bytes` by itself exceeds them, alone in its batch. A batch is handed on as soon
 * as it is full, the last one at the end of the source; none is empty. It holds nobody while it fills, so it may be
 * larger than every room before it.
 *
 * Throws PipelineError `BAD_LIMIT` where neither limit is given, or `bytes` without `sizeOf`.
 *
 *     batch({ items: 64, bytes: 1 << 20, sizeOf: (text) => text.length })
 */
export function batch<T>(options: BatchOptions<T>): OperatorFunction<T, T[]> {
  const { items = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY, sizeOf, ...stage } = options;
  const name = stage.name ?? 'batch';
  checkLimit(name, options);
  checkCounted(name, options, sizeOf);
  if (options.items === undefined && options.bytes === undefined) {
    throw new PipelineError(`${name}: a batch needs a limit`, {
      code: 'BAD_LIMIT',
      hint: 'give items, bytes or both; without them the first batch would grow until memory ends',
    });
  }

  return transduce<T, T[]>(
    () => {
      let open: T[] = [];
      let openBytes = 0;
      const cut = (): T[] => {
        const full = open;
        open = [];
        openBytes = 0;
        return full;
      };
      return {
        next(value) {
          const size = checkSize(name, sizeOf?.(value) ?? 0);
          const ready: T[][] = [];
          if (open.length !== 0 && openBytes + size > bytes) ready.push(cut());
          open.push(value);
          openBytes += size;
          if (open.length >= items || openBytes >= bytes) ready.push(cut());
          return ready.length === 0 ? undefined : ready;
        },
        flush: () => (open.length === 0 ? undefined : [cut()]),
      };
    },
    {
      ...stage,
      name,
      holds: stage.holds ?? options.bytes,
      options: stage.options ?? { items: options.items, bytes: options.bytes },
    },
  );
}
