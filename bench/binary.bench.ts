import { readFile } from 'node:fs/promises';
import { settledLimits } from '../src/decoders/limits.ts';
import { cutBinary } from '../src/operators/pretokenize/binary/cut.ts';
import { settledBinary } from '../src/operators/pretokenize/binary/options.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { type Bench, perItem } from './harness.ts';

const TURNS = 100;
const limits = settledLimits();

function cut(bytes: Uint8Array, symbols: 'keep' | 'cut'): number {
  const context = {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes: 16 << 20,
    member: async () => [],
  };
  const input = { bytes, name: 'a', modality: 'binary', mediaType: '', confidence: 1 } as const;
  const [view] = cutBinary(input, settledBinary({ symbols }), context) as readonly {
    segments: { ends: Float64Array };
  }[];
  return view?.segments.ends.length ?? 0;
}

/**
 * Programs to sections, and to functions: processor time for one file, the running Node itself (some 100 MB), and for one
 * function of it. Nothing is decoded, so that there is no peer: the bytes are not even read.
 */
export default async function binary(bench: Bench): Promise<void> {
  const program = await readFile(process.execPath);
  await bench.compare({
    case: `sections, ${(program.length / 1e6).toFixed(0)} MB`,
    measure: perItem(TURNS),
    run: () => {
      for (let turn = 0; turn < TURNS; turn++) cut(program, 'keep');
    },
  });
  const functions = cut(program, 'cut') - cut(program, 'keep');
  await bench.compare({
    case: `functions, ${functions}`,
    measure: perItem(functions),
    run: () => cut(program, 'cut'),
  });
}
