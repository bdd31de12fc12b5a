import type { OperatorFunction } from 'rxjs';
import { mapAsync } from '../flow/index.ts';
import type { Patches } from '../records.ts';

/** The last stage of every flow of a run: hands each value to the sinks, one at a time and in order. */
export function writeStage(write: (value: unknown) => Promise<void>): OperatorFunction<unknown, void> {
  return mapAsync(write, {
    name: 'write',
    kind: 'sink',
    concurrency: 1,
    room: { items: 16, bytes: 16 << 20 },
    least: 1 << 20,
    sizeOf,
  });
}

export function isPatches(value: unknown): value is Patches {
  return typeof value === 'object' && value !== null && 'lengths' in value && 'entropies' in value;
}

function sizeOf(value: unknown): number {
  if (!isPatches(value)) return (value as { bytes?: Uint8Array } | null)?.bytes?.length ?? 0;
  return value.embeddings.byteLength + value.bytes.length * 9 + value.lengths.length * 16;
}
