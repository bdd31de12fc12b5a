import { defer, type OperatorFunction } from 'rxjs';
import { batch, mapAsync } from '../../flow/index.ts';
import { type DocumentBatch, packDocuments } from '../../lsh/documentBatch.ts';
import { sharedPool, workerModule } from '../../run/pool.ts';
import type { Unit } from '../units.ts';
import type { DedupSettings } from './settings.ts';
import type { SignResult, SignTask } from './signWorker.ts';

const module = workerModule(import.meta.url, './signWorker');

/** What crosses a thread boundary at once. */
const BATCH_ITEMS = 1024;
const BATCH_BYTES = 1 << 20;
const ROOM_BYTES = 32 << 20;

/** Units, and what a thread has found out about them. */
export interface SignedUnits<T> extends SignResult {
  readonly units: readonly Unit<T>[];
  /** To be called when `bytes` are done with: their buffer serves another batch. */
  release(): void;
}

/** Batches of units with hashes and signatures, made in worker threads; in order. */
export function signed<T>(settings: DedupSettings): OperatorFunction<Unit<T>, SignedUnits<T>> {
  const { near, shingle } = settings;
  const components = near ? settings.components : 0;
  return (source) =>
    defer(() => {
      const pool = sharedPool();
      const batches = 2 * pool.threads;
      const spare: ArrayBuffer[] = [];
      return source.pipe(
        batch<Unit<T>>({
          items: BATCH_ITEMS,
          bytes: BATCH_BYTES,
          sizeOf: ({ bytes }) => bytes,
          name: 'dedup.batch',
        }),
        mapAsync(
          async (units: readonly Unit<T>[]): Promise<SignedUnits<T>> => {
            const packed = packUnits(units, spare);
            const task: SignTask = { ...packed, shingle, components };
            const moved = [task.bytes.buffer, task.offsets.buffer];
            // takes milliseconds, and to abort it would end the thread
            const result = await pool.run<SignResult>(module, task, moved);
            const { buffer } = result.bytes;
            // a larger one was made for a single document
            const release = (): void => {
              if (buffer.byteLength === BATCH_BYTES) spare.push(buffer);
            };
            return { ...result, units, release };
          },
          {
            name: 'dedup',
            // one is packed while every thread is at work
            concurrency: pool.threads + 1,
            // the documents, and a copy of them that crosses the boundary
            room: { items: batches, bytes: ROOM_BYTES },
            sizeOf: (units) => 2 * units.reduce((sum, { bytes }) => sum + bytes, 0),
            least: 2 * BATCH_BYTES,
            // buffers that wait for a batch; signatures and hashes
            holds: batches * (BATCH_BYTES + BATCH_ITEMS * (4 * components + 16)),
            options: settings,
          },
        ),
      );
    });
}

/** Lays all parts of all units one behind the other, in a buffer that is done with where they fit. */
function packUnits(units: readonly Unit<unknown>[], spare: ArrayBuffer[]): DocumentBatch {
  const parts = units.flatMap((unit) => unit.parts);
  const fits = units.reduce((sum, { bytes }) => sum + bytes, 0) <= BATCH_BYTES;
  const buffer = fits ? (spare.pop() ?? new ArrayBuffer(BATCH_BYTES)) : undefined;
  const { bytes, offsets } = packDocuments(parts, buffer);
  const unitOffsets = new Uint32Array(units.length + 1);
  let part = 0;
  for (const [i, unit] of units.entries()) {
    part += unit.parts.length;
    unitOffsets[i + 1] = offsets[part] ?? 0;
  }
  return { bytes, offsets: unitOffsets };
}
