import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Pool } from '../../../src/run/pool.ts';

const module = path.join(import.meta.dirname, '../../../src/lsh/corpus/sortWorker.ts');

it('sorts entries in a worker, and moves their buffer there and back', async () => {
  const pool = new Pool({ threads: 1 });
  onTestFinished(() => pool.close());
  // a block that is not full
  const buffer = Uint32Array.of(2 ** 32 - 1, 1, 1, 5, 2, 2, 2 ** 31, 3, 3, 0, 0, 0);
  const entries = buffer.subarray(0, 9);
  const sorted = await pool.run<Uint32Array>(module, entries, [entries.buffer]);
  expect([...sorted]).toEqual([5, 2, 2, 2 ** 31, 3, 3, 2 ** 32 - 1, 1, 1]);
  expect(buffer).toHaveLength(0);
});
