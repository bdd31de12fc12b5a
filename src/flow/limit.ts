import { PipelineError } from '../errors.ts';

/** How much a stage takes before it holds whoever delivers. What is left out is not limited. */
export interface Limit {
  /** Values. */
  readonly items?: number | undefined;
  /** Bytes, as the stage's `sizeOf` counts them. One value larger than this still passes, alone. */
  readonly bytes?: number | undefined;
}

/** Refuses a limit that would never be reached (NaN) or that lets nothing in. Throws PipelineError `BAD_LIMIT`. */
export function checkLimit(stage: string, limit: Limit): void {
  for (const [unit, least] of [
    ['items', 1],
    ['bytes', 0],
  ] as const) {
    const value = limit[unit];
    if (value === undefined || value >= least) continue;
    throw new PipelineError(`${stage}: a limit of ${value} ${unit} is not possible`, {
      code: 'BAD_LIMIT',
      hint: `give a number from ${least} up, or leave it out for no limit`,
    });
  }
}

/** Refuses a limit in bytes where nobody counts bytes. Throws PipelineError `BAD_LIMIT`. */
export function checkCounted(stage: string, limit: Limit, sizeOf: unknown): void {
  if (limit.bytes === undefined || sizeOf !== undefined) return;
  throw new PipelineError(`${stage}: a limit in bytes needs sizeOf`, {
    code: 'BAD_LIMIT',
    hint: 'say with sizeOf how many bytes a value has; without it the limit is never reached',
  });
}

/** Refuses a size that would spoil every sum it enters. Throws PipelineError `BAD_SIZE`. */
export function checkSize(stage: string, bytes: number): number {
  if (bytes >= 0 && bytes < Number.POSITIVE_INFINITY) return bytes;
  throw new PipelineError(`${stage}: sizeOf returned ${bytes} for a value`, {
    code: 'BAD_SIZE',
    hint: 'sizeOf must return a number of bytes, 0 or more',
  });
}
