import { availableParallelism } from 'node:os';
import { PipelineError } from '../errors.ts';

/** What one record may take while it is decoded; whoever takes more is stopped and the record rejected. */
export interface DecoderLimits {
  /** Processor time for one record, in seconds. Six times as long on the clock, for whoever waits. Default: 60. */
  readonly seconds?: number | undefined;
  /** Resident memory of a decoder process, in bytes; 128 MiB or more. Default: 768 MiB. */
  readonly memoryBytes?: number | undefined;
  /** Bytes that a record may become in all its views and members. Default: 160 MiB. */
  readonly decodedBytes?: number | undefined;
  /** Members in members, such as a file in a tar in a zip (2). Default: 8. */
  readonly depth?: number | undefined;
  /** Members of an archive, those of nested ones included. Default: 100,000. */
  readonly members?: number | undefined;
  /** Processes at most; they are started when there is something to decode. Default: one for each core, 8 at most. */
  readonly processes?: number | undefined;
}

export const LIMIT_NAMES = {
  seconds: true,
  memoryBytes: true,
  decodedBytes: true,
  depth: true,
  members: true,
  processes: true,
} as const;

/** {@link DecoderLimits} with nothing left out. */
export type Limits = { readonly [K in keyof DecoderLimits]-?: number };

const LEAST: Limits = { seconds: 0.01, memoryBytes: 128 << 20, decodedBytes: 1, depth: 0, members: 1, processes: 1 };

/** @throws PipelineError `BAD_LIMIT` */
export function settledLimits(limits: DecoderLimits = {}): Limits {
  const settled: Limits = {
    seconds: limits.seconds ?? 60,
    memoryBytes: limits.memoryBytes ?? 768 << 20,
    decodedBytes: limits.decodedBytes ?? 160 << 20,
    depth: limits.depth ?? 8,
    members: limits.members ?? 100_000,
    processes: limits.processes ?? Math.min(8, availableParallelism()),
  };
  for (const [name, value] of Object.entries(settled)) {
    const least = LEAST[name as keyof Limits];
    if (name === 'seconds' ? value >= least && Number.isFinite(value) : Number.isSafeInteger(value) && value >= least)
      continue;
    throw new PipelineError(
      `limits: ${name} is ${value}; it must be ${name === 'seconds' ? 'a number' : 'a whole number'} of at least ${least}`,
      { code: 'BAD_LIMIT' },
    );
  }
  return settled;
}
