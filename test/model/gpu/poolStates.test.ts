import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../../../src/gpu/index.ts';
import type { ForwardResult, ForwardTask } from '../../../src/model/cpu/forward.ts';
import { ForwardPrograms } from '../../../src/model/gpu/forwardPrograms.ts';
import { poolStates } from '../../../src/model/gpu/poolStates.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import type { PatchRule } from '../../../src/model/patchEnds.ts';
import { SegmentPatcher } from '../../../src/model/segmentPatcher.ts';
import { streamBytes } from '../../../src/model/stream.ts';
import { segmentOf } from '../../operators/segments.ts';
import { goldenModel } from '../golden.ts';

const DIM = 24;
let gpu: Gpu;
let programs: ForwardPrograms;

/** The null device checks all that it is told and computes nothing: where patches end is found on this side. */
beforeAll(async () => {
  gpu = await Gpu.open({ adapter: 'null' });
  const { config } = await readModelFile(goldenModel('w24-bf16'));
  programs = await ForwardPrograms.compile(gpu, { ...config, dim: DIM });
});
afterAll(() => gpu.close());

/** A pass of a document whose model is uncertain by `entropies`, about each byte in turn. */
function passOf(entropies: Float32Array): (task: ForwardTask) => Promise<ForwardResult> {
  return async ({ past: _, into: __, ...task }) => {
    const { tokens, position, carry } = task;
    const about = entropies.slice(position, position + tokens.length);
    const states = gpu.memory.take(4 * DIM * tokens.length, 'states');
    const batch = { states, rows: tokens.length };
    const means = await poolStates(gpu, programs, batch, [{ ...task, pastRows: 0 }], [{ entropies: about }]);
    states.free();
    const [pooled] = await means();
    const next = { rows: 1, data: new Float32Array(new SharedArrayBuffer(4)) };
    return { entropies: about, norms: new Float32Array(tokens.length), pooled, next: carry ? next : undefined };
  };
}

const documents = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 6 })), { minLength: 1, maxLength: 50 })
  .map((rows) => ({
    bytes: Uint8Array.from(rows, ([byte]) => byte),
    // one more: about the byte after the last
    entropies: Float32Array.from([...rows, [0, 3] as const], ([, level]) => level * 0.1),
  }));

const rules: fc.Arbitrary<PatchRule> = fc.record({
  mode: fc.constantFrom('entropy' as const, 'space' as const, 'byte' as const, 'static' as const),
  threshold: fc.constantFrom(0.1, 0.3, 0.5),
  monotonicity: fc.boolean(),
  thresholdAdd: fc.option(fc.constantFrom(0.1, 0.2), { nil: undefined }),
  patchSize: fc.integer({ min: 1, max: 6 }),
  maxLength: fc.constantFrom(1, 2, 5, 1 << 20),
});

describe('states that a device averages over patches', () => {
  it('are cut where those are cut who get the means, however the document was cut into passes', async () => {
    await fc.assert(
      fc.asyncProperty(documents, rules, fc.integer({ min: 2, max: 17 }), async (document, rule, pieceTokens) => {
        const { bytes, entropies } = document;
        const lengthsOf = async (pieceTokens: number): Promise<number[]> => {
          const patcher = new SegmentPatcher(segmentOf(bytes), DIM, { rule, prominence: 'mean', keepSignals: false });
          const lengths: number[] = [];
          const options = { dim: DIM, preNorm: false, pieceTokens, pool: rule };
          for await (const piece of streamBytes(bytes, passOf(entropies), options)) {
            const end = piece.offset + piece.entropies.length;
            expect(piece.pooled?.means.length).toBe((piece.pooled!.ends.length + 1) * DIM);
            // which throws where patches end elsewhere
            const patches = patcher.push({
              ...piece,
              segment: patcher.segment,
              bytes: bytes.subarray(piece.offset, end),
              last: end === bytes.length,
              dim: DIM,
            });
            lengths.push(...(patches?.lengths ?? []));
          }
          return lengths;
        };
        expect(await lengthsOf(pieceTokens)).toEqual(await lengthsOf(1000));
      }),
      { numRuns: 60 },
    );
  });
});
