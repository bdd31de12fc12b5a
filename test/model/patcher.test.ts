import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PatcherOptions, patchBatch, patchLengths } from '../../src/model/patcher.ts';
import { golden, modelCases, type PatchCase, patchCases } from './golden.ts';

function optionsOf({ options, include_next_token }: PatchCase): PatcherOptions {
  return {
    mode: options.patching_mode,
    threshold: options.threshold,
    monotonicity: options.monotonicity,
    thresholdAdd: options.threshold_add,
    maxPatchLength: options.max_patch_length,
    patchSize: options.patch_size,
    includeNextToken: include_next_token,
  };
}

function inputOf(given: PatchCase): { ids: unknown; entropies: unknown } {
  if (given.source.inline) return { ids: given.token_ids, entropies: given.entropies };
  const source = modelCases.find(({ id }) => id === given.source.model_case)!;
  if (source.chunk === undefined) return { ids: source.token_ids, entropies: source.entropies };
  return { ids: golden(source.tensors.token_ids!), entropies: golden(source.tensors.entropies!) };
}

const isBatch = (value: unknown): value is number[][] => Array.isArray(value) && Array.isArray(value[0]);

describe('patcher', () => {
  it('cuts all reference cases exactly', () => {
    expect(patchCases.length).toBe(659);
    for (const given of patchCases) {
      const { ids, entropies } = inputOf(given);
      const options = optionsOf(given);
      const lengths = isBatch(ids)
        ? patchBatch(ids, entropies as number[][], options).map((row) => [...row])
        : [...patchLengths(ids as number[], entropies as number[], options)];
      expect(lengths, given.id).toEqual(given.patch_lengths);
    }
  });

  const H = [9, 1, 3, 2, 5, 0.5, 4];
  const ids = [1, 70, 70, 70, 70, 70, 70];

  it('takes the k most uncertain tokens where no threshold is given', () => {
    // K = 7 // 2 - 2 = 1: only the token after the 5
    expect([...patchLengths(ids, H, { patchSize: 2 })]).toEqual([1, 4, 2]);
    // the last entropy may win, about a token that is not there
    expect([...patchLengths(ids, [...H.slice(0, 6), 6], { patchSize: 2 })]).toEqual([1, 6]);
    expect([...patchLengths(ids, [...H.slice(0, 6), 6], { patchSize: 2, includeNextToken: true })]).toEqual([1, 6, 1]);
    expect(() => patchLengths(ids, H, { patchSize: 4 })).toThrow('patchSize');
    expect(() => patchLengths(ids, H, { patchSize: 4.5 })).toThrow('patchSize');
  });

  it('starts a patch after each BPE mark', () => {
    expect([...patchLengths([1, 70, 3, 70, 70, 3, 70], undefined, { mode: 'bpe' })]).toEqual([1, 2, 3, 1]);
    expect([...patchLengths([1, 70, 3], undefined, { mode: 'bpe', includeNextToken: true })]).toEqual([1, 3]);
    expect(() => patchLengths([3, 70], undefined, { mode: 'bpe' })).toThrow('ids[0]');
  });

  it('refuses what it cannot use', () => {
    expect(() => patchLengths([], [], { threshold: 1 })).toThrow('at least one token');
    expect(() => patchLengths([1, 2], [1], { threshold: 1 })).toThrow('entropies');
    expect(() => patchLengths([1, 2], [1, 1], { threshold: Number.NaN })).toThrow('threshold');
    expect(() => patchLengths([1, 2], [1, 1], { threshold: 1, maxPatchLength: 0 })).toThrow('maxPatchLength');
  });

  it('covers every token once, in patches of 1 to maxPatchLength', () => {
    const anyOptions = fc.record({
      mode: fc.constantFrom('entropy' as const, 'space' as const, 'byte' as const, 'static' as const),
      threshold: fc.double({ min: 0, max: 5, noNaN: true }),
      monotonicity: fc.boolean(),
      thresholdAdd: fc.option(fc.double({ min: 0, max: 2, noNaN: true }), { nil: undefined }),
      patchSize: fc.integer({ min: 1, max: 9 }),
      maxPatchLength: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
      includeNextToken: fc.boolean(),
    });
    const row = fc.array(fc.tuple(fc.integer({ min: 1, max: 259 }), fc.double({ min: 0, max: 5.5, noNaN: true })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(row, anyOptions, (tokens, options) => {
        const lengths = patchLengths(
          tokens.map(([id]) => id),
          tokens.map(([, h]) => h),
          options,
        );
        expect(lengths.reduce((a, b) => a + b, 0)).toBe(tokens.length + (options.includeNextToken ? 1 : 0));
        expect(Math.min(...lengths)).toBeGreaterThan(0);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(options.maxPatchLength ?? Number.POSITIVE_INFINITY);
      }),
    );
  });
});
