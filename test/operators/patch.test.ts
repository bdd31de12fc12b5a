import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { iterate, pull } from '../../src/flow/index.ts';
import { patchLengths } from '../../src/model/index.ts';
import { LONGEST_PATCH } from '../../src/model/segmentPatcher.ts';
import { encodeBytes } from '../../src/model/tokenizer.ts';
import { type PatchOptions, patch } from '../../src/operators/patch.ts';
import type { Encoded, Patches } from '../../src/records.ts';
import { golden, modelCases } from '../model/golden.ts';
import { segmentOf } from './segments.ts';

interface Signals {
  readonly bytes: Uint8Array;
  readonly entropies: Float32Array;
  readonly norms: Float32Array;
  readonly preNorm?: Float32Array | undefined;
  readonly autoThreshold?: number;
}

/** One segment as runs that are cut at the given places. */
function runsOf({ bytes, entropies, norms, preNorm, autoThreshold }: Signals, cuts: readonly number[] = []): Encoded[] {
  const segment = segmentOf(bytes);
  const dim = preNorm === undefined ? 0 : preNorm.length / Math.max(1, bytes.length);
  const starts = [0, ...[...new Set(cuts)].filter((cut) => cut > 0 && cut < bytes.length).sort((a, b) => a - b)];
  return starts.map((offset, i) => {
    const end = starts[i + 1] ?? bytes.length;
    return {
      segment,
      offset,
      bytes: bytes.subarray(offset, end),
      last: i === starts.length - 1,
      entropies: entropies.subarray(offset, end),
      norms: norms.subarray(offset, end),
      preNorm: preNorm?.subarray(offset * dim, end * dim),
      dim,
      autoThreshold,
    };
  });
}

async function patched(runs: readonly Encoded[], options: PatchOptions): Promise<Patches[]> {
  const values: Patches[] = [];
  for await (const value of iterate(pull(() => [runs]).pipe(patch(options)))) values.push(value);
  return values;
}

const concat = (parts: readonly ArrayLike<number>[]) => parts.flatMap((part) => Array.from(part));

function flat(values: readonly Patches[]) {
  return {
    bytes: concat(values.map(({ bytes }) => bytes)),
    lengths: concat(values.map(({ lengths }) => lengths)),
    embeddings: concat(values.map(({ embeddings }) => embeddings)),
    prominence: concat(values.map(({ prominence }) => prominence)),
    entropy: concat(values.map(({ entropy }) => entropy)),
    coherence: concat(values.map(({ coherence }) => coherence)),
    entropies: concat(values.map(({ entropies }) => entropies)),
    norms: concat(values.map(({ norms }) => norms)),
  };
}

const signals = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 12 })), { minLength: 1, maxLength: 60 })
  .map(
    (rows): Signals => ({
      bytes: Uint8Array.from(rows, ([byte]) => byte),
      // few distinct values, so that thresholds are met exactly now and then
      entropies: Float32Array.from(rows, ([, level]) => level * 0.1),
      norms: Float32Array.from(rows, ([byte, level]) => 1 + byte * 0.37 + level),
      preNorm: Float32Array.from({ length: rows.length * 3 }, (_, i) => Math.sin(i * 1.7)),
    }),
  );

const options: fc.Arbitrary<PatchOptions & { readonly threshold: number }> = fc.record({
  mode: fc.constantFrom('entropy' as const, 'space' as const, 'byte' as const, 'static' as const),
  threshold: fc.constantFrom(0.1, 0.3, 0.6),
  monotonicity: fc.boolean(),
  thresholdAdd: fc.option(fc.constantFrom(0.1, 0.2), { nil: undefined }),
  patchSize: fc.integer({ min: 1, max: 6 }),
  maxPatchLength: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  prominence: fc.constantFrom('mean' as const, 'max' as const),
});

describe('patch', () => {
  it('cuts where the token rule with BOS in front cuts', async () => {
    await fc.assert(
      fc.asyncProperty(signals, options, async (given, chosen) => {
        // in static mode BOS is part of the first patch: lengths are compared without the limit, which counts it there
        const { mode } = chosen;
        const used = mode === 'static' ? { ...chosen, maxPatchLength: undefined } : chosen;
        const lengths = patchLengths(encodeBytes(given.bytes, { addEos: false }), [...given.entropies, 0], used);
        const bytesOnly = mode === 'static' ? [lengths[0]! - 1, ...lengths.subarray(1)] : [...lengths.subarray(1)];
        const { lengths: found } = flat(await patched(runsOf(given), used));
        expect(found).toEqual(bytesOnly.filter((length) => length > 0));
      }),
    );
  });

  it('gives the same patches however the segment was cut into runs', async () => {
    await fc.assert(
      fc.asyncProperty(
        signals,
        options,
        fc.array(fc.integer({ min: 1, max: 59 }), { maxLength: 8 }),
        async (given, chosen, cuts) => {
          const whole = flat(await patched(runsOf(given), chosen));
          const values = await patched(runsOf(given, cuts), chosen);
          expect(flat(values)).toEqual(whole);
          expect(whole.bytes).toEqual([...given.bytes]);
          expect(whole.entropies).toEqual([...given.entropies]);
          let offset = 0;
          for (const value of values) {
            expect(value.offset).toBe(offset);
            expect(value.lengths.reduce((a, b) => a + b, 0)).toBe(value.bytes.length);
            expect(value.entropies.length).toBe(value.bytes.length);
            offset += value.bytes.length;
          }
          expect(values.map(({ last }) => last)).toEqual(values.map((_, i) => i === values.length - 1));
        },
      ),
    );
  });

  it('describes each patch by its states, norms and entropies', async () => {
    const given: Signals = {
      bytes: Buffer.from('abc'),
      entropies: Float32Array.of(2, 0.5, 3),
      norms: Float32Array.of(4, 8, 1),
      preNorm: Float32Array.of(1, 2, 3, 6, -5, 0.5),
    };
    const [mean] = await patched(runsOf(given), { threshold: 1 });
    expect([...mean!.lengths]).toEqual([2, 1]);
    expect([...mean!.embeddings]).toEqual([2, 4, -5, 0.5]);
    expect([...mean!.prominence]).toEqual([6, 1]);
    expect([...mean!.entropy]).toEqual([1.25, 3]);
    expect([...mean!.coherence]).toEqual([Math.fround(36 / (1.25 + 1e-6)), Math.fround(1 / (3 + 1e-6))]);
    const [max] = await patched(runsOf(given), { threshold: 1, prominence: 'max', keepSignals: false });
    expect([...max!.prominence]).toEqual([8, 1]);
    expect([max!.entropies.length, max!.norms.length]).toEqual([0, 0]);
  });

  it('averages the states of the reference model', async () => {
    const given = modelCases.find(({ id }) => id === 'w24-prose-200')!;
    const states = golden(given.tensors.prenorm!) as Float32Array;
    const bytes = Buffer.from(given.text!);
    const dim = 48;
    const [value] = await patched(
      runsOf({
        bytes,
        entropies: Float32Array.from(given.entropies.slice(0, bytes.length)),
        norms: Float32Array.from(given.prenorm_l2.slice(1, bytes.length + 1)),
        preNorm: states.subarray(dim, (bytes.length + 1) * dim),
      }),
      { threshold: 1.335442066192627 },
    );
    let byte = 0;
    value!.lengths.forEach((length, p) => {
      for (let d = 0; d < dim; d++) {
        let total = 0;
        for (let i = byte; i < byte + length; i++) total += states[(i + 1) * dim + d]!;
        expect(value!.embeddings[p * dim + d]).toBe(Math.fround(total / length));
      }
      byte += length;
    });
  });

  it('passes an empty segment on as no patches', async () => {
    const none = {
      bytes: new Uint8Array(0),
      entropies: new Float32Array(0),
      norms: new Float32Array(0),
      preNorm: new Float32Array(0),
    };
    const values = await patched(runsOf(none), { threshold: 1 });
    expect(values.map(({ lengths, last, bytes }) => [lengths.length, last, bytes.length])).toEqual([[0, true, 0]]);
  });

  it('takes the threshold of the model, and says so when there is none', async () => {
    const given: Signals = {
      bytes: Buffer.from('abcd'),
      entropies: Float32Array.of(1, 2, 3, 4),
      norms: new Float32Array(4),
    };
    const [value] = await patched(runsOf({ ...given, autoThreshold: 2.5 }), {});
    expect([...value!.lengths]).toEqual([2, 1, 1]);
    await expect(patched(runsOf(given), {})).rejects.toMatchObject({ name: 'ModelError', code: 'NO_CALIBRATION' });
    expect((await patched(runsOf(given), { mode: 'byte' }))[0]?.lengths.length).toBe(4);
  });

  it('cuts a patch that never ends, so that it needs no endless memory', async () => {
    const length = LONGEST_PATCH + 5;
    const given = {
      bytes: new Uint8Array(length),
      entropies: new Float32Array(length),
      norms: new Float32Array(length),
    };
    const cuts = Array.from({ length: Math.floor(length / 65_536) }, (_, i) => (i + 1) * 65_536);
    const { lengths } = flat(
      (await patched(runsOf(given, cuts), { threshold: 1 })).map((value) => ({
        ...value,
        bytes: new Uint8Array(0),
        entropies: new Float32Array(0),
        norms: new Float32Array(0),
      })),
    );
    expect(lengths).toEqual([LONGEST_PATCH, 5]);
  });

  it('refuses options that contradict each other, and runs out of order', async () => {
    expect(() => patch({ monotonicity: true })).toThrow('compares its rise');
    expect(() => patch({ mode: 'static' })).toThrow('patchSize');
    expect(() => patch({ maxPatchLength: 0 })).toThrow('maxPatchLength');
    expect(() => patch({ threshold: Number.NaN })).toThrow('threshold');
    const runs = runsOf(
      { bytes: Buffer.from('abcd'), entropies: new Float32Array(4), norms: new Float32Array(4) },
      [2],
    );
    await expect(patched([runs[1]!], { threshold: 1 })).rejects.toMatchObject({ code: 'RUN_ORDER' });
  });
});
