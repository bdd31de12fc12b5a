import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BandIndex } from '../../src/lsh/bandIndex.ts';
import { normalAt } from '../../src/lsh/hyperplanes.ts';
import { agreement, agreementOf, bandingForCosine, cosineOf, projectionOf, sideOf } from '../../src/lsh/projections.ts';
import { Projector } from '../../src/lsh/projector.ts';
import { candidateProbability } from '../../src/lsh/sCurve.ts';
import { cosine, randomNormals, randomVector, size, vectorPair } from './vectors.ts';

const bitOf = (words: Uint16Array | undefined, bit: number): number => ((words?.[bit >>> 4] ?? 0) >>> (bit & 15)) & 1;

describe('the hyperplanes', () => {
  it('have normals from a normal distribution', () => {
    const count = 512 * 512;
    const moments = [0, 0, 0, 0, 0, 0, 0];
    let tail = 0;
    for (let i = 0; i < count; i++) {
      const x = normalAt(i >>> 9, i & 511);
      for (let power = 1; power <= 6; power++) moments[power]! += x ** power / count;
      if (Math.abs(x) > 2.5758) tail++;
    }
    // four standard deviations of each moment
    const deviations = [0, 1, Math.sqrt(2), Math.sqrt(15), Math.sqrt(96), Math.sqrt(945), Math.sqrt(10_170)];
    for (const [power, wanted] of [0, 0, 1, 0, 3, 0, 15].entries()) {
      if (power === 0) continue;
      expect(Math.abs(moments[power]! - wanted), `moment ${power}`).toBeLessThan(
        (4 * deviations[power]!) / Math.sqrt(count),
      );
    }
    expect(tail / count).toBeCloseTo(0.01, 3);
  });

  it('are the same ones everywhere: signatures that are stored stay comparable', () => {
    // the same formula in Python's integers and doubles
    const hash = createHash('sha256');
    for (let plane = 0; plane < 64; plane++) {
      hash.update(new Uint8Array(Float64Array.from({ length: 64 }, (_, i) => normalAt(plane, i)).buffer));
    }
    expect(hash.digest('hex').slice(0, 16)).toBe('121a3a2ec0f2a2a6');
  });
});

describe('signatures of vectors', () => {
  it('are those of the plain form, but for planes that a vector all but lies in', () => {
    const scale = fc.constantFrom(1, 1e-40, 1e-20, 3e30);
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 300 }), scale, (seed, dim, factor) => {
        const vector = randomVector(randomNormals(seed), dim).map((x) => x * factor);
        const [fast] = new Projector({ dim, bits: 64 }).sign([vector]);
        const plain = projectionOf(vector, 64);
        expect(fast === undefined).toBe(plain === undefined);
        for (let bit = 0; bit < 64; bit++) {
          if (bitOf(fast, bit) === bitOf(plain, bit)) continue;
          expect(Math.abs(sideOf(vector, bit)) / size(vector)).toBeLessThan(1e-6 * Math.sqrt(dim));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('depend on the vector alone, not on those beside it', () => {
    const normal = randomNormals(1);
    const vectors = Array.from({ length: 500 }, () => randomVector(normal, 200));
    const projector = new Projector({ dim: 200, bits: 48 });
    const together = projector.sign(vectors);
    for (const [i, vector] of vectors.entries()) expect(projector.sign([vector])).toEqual([together[i]]);
    expect(projector.sign(vectors.toReversed())).toEqual(together.toReversed());
  });

  it('do not depend on the length of the vector, and with fewer bits are beginnings', () => {
    const vector = randomVector(randomNormals(2), 33);
    const many = projectionOf(vector, 512);
    expect(projectionOf(vector.map((x) => 8 * x)) ?? []).toEqual(many);
    expect(projectionOf(vector, 48)).toEqual(many?.subarray(0, 3));
    expect(new Projector({ dim: 33, bits: 48 }).sign([vector.map((x) => x / 1024)])).toEqual([many?.subarray(0, 3)]);
  });

  it.each([
    [4000, 128, 512],
    [4000, 128, 256],
    [2000, 16, 128],
    [1000, 768, 256],
  ])('estimate the angle with the error of the theory: %i pairs of %i numbers, %i bits', (pairs, dim, bits) => {
    const normal = randomNormals(dim + bits);
    const projector = new Projector({ dim, bits });
    let bias = 0;
    let squares = 0;
    let variance = 0;
    let cosineSquares = 0;
    let cosineVariance = 0;
    for (let i = 0; i < pairs; i++) {
      const [a, b] = vectorPair(normal, dim, -0.2 + (1.15 * i) / pairs);
      const [signatureA, signatureB] = projector.sign([a, b]);
      const exact = cosine(a, b);
      const p = agreementOf(exact);
      const estimate = agreement(signatureA!, signatureB!);
      bias += (estimate - p) / pairs;
      squares += (estimate - p) ** 2;
      variance += (p * (1 - p)) / bits;
      cosineSquares += (cosineOf(estimate) - exact) ** 2;
      cosineVariance += (Math.PI ** 2 * (1 - exact ** 2) * (p * (1 - p))) / bits;
    }
    for (const ratio of [Math.sqrt(squares / variance), Math.sqrt(cosineSquares / cosineVariance)]) {
      expect(ratio).toBeGreaterThan(0.9);
      expect(ratio).toBeLessThan(1.1);
    }
    // the hyperplanes are the same for all pairs: in few dimensions their errors do not wholly average out
    expect(Math.abs(bias)).toBeLessThan((4 * 0.5) / Math.sqrt(bits * pairs) + 0.15 / Math.sqrt(bits * dim));
  });

  it('refuse what has no direction, and what is no vector', () => {
    const projector = new Projector({ dim: 3, bits: 16 });
    const zero = new Float32Array(3);
    expect(projectionOf(zero)).toBeUndefined();
    const [none, some] = projector.sign([zero, Float32Array.of(0, -1, 0)]);
    expect(none).toBeUndefined();
    expect(some).toEqual(projectionOf(Float32Array.of(0, -1, 0), 16));
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const vector = Float32Array.of(1, wrong, 1);
      const refused = expect.objectContaining({
        code: 'BAD_VECTOR',
        message: `a vector has ${wrong} at 1: it has no direction`,
      });
      expect(() => projectionOf(vector)).toThrow(refused);
      expect(() => projector.sign([vector])).toThrow(refused);
    }
    expect(() => projector.sign([new Float32Array(4)])).toThrow(RangeError);
    for (const bits of [0, 40, 1 << 15]) {
      expect(() => new Projector({ dim: 3, bits })).toThrow(expect.objectContaining({ code: 'BAD_COMPONENTS' }));
      expect(() => projectionOf(zero, bits)).toThrow(expect.objectContaining({ code: 'BAD_COMPONENTS' }));
    }
    for (const dim of [0, 1.5, 1 << 20]) {
      expect(() => new Projector({ dim })).toThrow(expect.objectContaining({ code: 'BAD_VECTOR' }));
    }
    expect(() => agreement(new Uint16Array(1), new Uint16Array(2))).toThrow(RangeError);
  });
});

describe('bands for a cosine', () => {
  it.each([
    [0.8, 256],
    [0.9, 512],
    [0.95, 512],
    [0.98, 1024],
  ])('find most of what is above %d by %i bits, and little of what is not related', (threshold, bits) => {
    const banding = bandingForCosine(threshold, bits);
    const chance = (of: number): number => candidateProbability(agreementOf(of), banding);
    expect(chance(threshold)).toBeGreaterThan(0.75);
    expect(chance((1 + threshold) / 2)).toBeGreaterThan(0.94);
    expect(chance(0)).toBeLessThan(0.012);
  });

  it('lead to as many candidates as the S-curve says', () => {
    const normal = randomNormals(5);
    const dim = 128;
    const bits = 256;
    const banding = bandingForCosine(0.8, bits);
    const projector = new Projector({ dim, bits });
    for (const wanted of [0.6, 0.75, 0.85, 0.95]) {
      const pairs = 2000;
      let found = 0;
      for (let i = 0; i < pairs; i++) {
        const [a, b] = projector.sign(vectorPair(normal, dim, wanted));
        const index = new BandIndex({ bits, banding, documents: 2 });
        index.add(0, a!);
        found += index.matches(b!).length;
      }
      expect(Math.abs(found / pairs - candidateProbability(agreementOf(wanted), banding))).toBeLessThan(0.035);
    }
  });

  it('turns cosines into agreements and back', () => {
    for (const c of [-1, -0.3, 0, 1e-9, 0.5, 0.999, 1]) expect(cosineOf(agreementOf(c))).toBeCloseTo(c, 12);
    expect([-1, 0, 0.5, 1].map(agreementOf)).toEqual([0, 0.5, 1 - Math.acos(0.5) / Math.PI, 1]);
    for (const threshold of [1, Number.NaN, -1]) {
      expect(() => bandingForCosine(threshold)).toThrow(expect.objectContaining({ code: 'BAD_THRESHOLD' }));
    }
  });
});
