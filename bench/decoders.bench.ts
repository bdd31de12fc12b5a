import { fileURLToPath } from 'node:url';
import { DecoderPool } from '../src/decoders/decoderPool.ts';
import type { Decoded } from '../src/decoders/decoderProcess.ts';
import { settledLimits } from '../src/decoders/limits.ts';
import type { Bench, Measure } from './harness.ts';

const ECHO = fileURLToPath(new URL('../test/fixtures/decoders/echoWorker.ts', import.meta.url));
const TASKS = 200;
const LARGE = 32 << 20;

const read = (decoded: Decoded): Promise<unknown> => decoded.read();

/** What it costs that records are decoded in another process: there and back, empty and large, and the start of one. */
export default async function decoders(bench: Bench): Promise<void> {
  const pool = new DecoderPool(settledLimits({ processes: 1 }));
  const send = (bytes: Uint8Array): Promise<unknown> => pool.run({ module: ECHO, bytes, facts: {} }, read);
  try {
    const perTask: Measure = { unit: 'us/record', of: (seconds) => (seconds / TASKS) * 1e6 };
    for (const [name, size] of [
      ['a record of 10 bytes', 10],
      ['a record of 64 KiB', 64 << 10],
    ] as const) {
      const bytes = new Uint8Array(size).fill(1);
      await bench.compare({
        case: `${name}, there and back`,
        measure: perTask,
        clock: 'wall',
        statistic: 'median',
        async run() {
          for (let n = 0; n < TASKS; n++) await send(bytes);
        },
      });
    }
    const large = new Uint8Array(LARGE).fill(1);
    const throughput: Measure = { unit: 'MB/s', of: (seconds) => LARGE / 1e6 / seconds };
    await bench.compare({
      case: 'a record of 32 MiB, there and back',
      measure: throughput,
      clock: 'wall',
      run: () => send(large),
      peer: { name: 'two copies of it in memory', run: () => Uint8Array.from(Uint8Array.from(large)).length },
    });
    const starts: Measure = { unit: 'ms/process', of: (seconds) => seconds * 1e3 };
    await bench.compare({
      case: 'the start of a process',
      measure: starts,
      clock: 'wall',
      statistic: 'median',
      warmUp: 1,
      async run() {
        await pool.close();
        await send(new Uint8Array(1));
      },
    });
  } finally {
    await pool.close();
  }
}
