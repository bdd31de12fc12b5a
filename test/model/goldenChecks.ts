import { expect } from 'vitest';
import type { TokenSignals } from '../../src/model/index.ts';
import { golden, largestDifference, type modelCases } from './golden.ts';

/** How far float32 may be from the golden vectors. */
export const TOLERANCE = { entropy: 2e-4, logit: 2e-3, preNorm: 1e-3, normRelative: 2e-5 };

export function expectNorms(found: Float32Array, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  const worst = found.reduce((most, norm, i) => Math.max(most, Math.abs(norm / expected[i]! - 1)), 0);
  expect(worst).toBeLessThan(TOLERANCE.normRelative);
}

/** Every number of a golden case that is one forward pass. */
export function expectGolden(given: (typeof modelCases)[number], found: TokenSignals, dim: number): void {
  expect(largestDifference(found.entropies, given.entropies)).toBeLessThan(TOLERANCE.entropy);
  expectNorms(found.norms, given.prenorm_l2);
  const rows = given.tensors.rows === undefined ? given.token_ids.map((_, i) => i) : golden(given.tensors.rows);
  const pick = (all: Float32Array, width: number) =>
    Float32Array.from([...rows].flatMap((row) => [...all.subarray(row * width, (row + 1) * width)]));
  const logits = golden(given.tensors.logits ?? given.tensors.logits_rows!);
  const preNorm = golden(given.tensors.prenorm ?? given.tensors.prenorm_rows!);
  expect(largestDifference(pick(found.logits!, 260), logits)).toBeLessThan(TOLERANCE.logit);
  expect(largestDifference(pick(found.preNorm!, dim), preNorm)).toBeLessThan(TOLERANCE.preNorm);
}
