import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate } from '../../src/allocate/allocate.ts';
import { type AllocateOptions, methods } from '../../src/allocate/options.ts';

/** Any prominence that a float32 can be: zeros, denormals, the greatest. */
const prominence = fc.oneof(
  fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }),
  fc.float({ min: 0, max: 100, noNaN: true }),
  fc.constantFrom(0, -0, 1.401298464324817e-45, 3.4028234663852886e38, 1),
);
const entropy = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ min: 0, max: Math.fround(5.5607), noNaN: true }),
);
const patches = fc.array(fc.tuple(prominence, entropy), { maxLength: 300 });
const usual = fc.array(
  fc.tuple(fc.float({ min: 1, max: 100, noNaN: true }), fc.float({ min: 0, max: 5, noNaN: true })),
  {
    minLength: 1,
    maxLength: 300,
  },
);

const settings: fc.Arbitrary<AllocateOptions> = fc
  .record({
    method: fc.constantFrom(...methods),
    shells: fc.integer({ min: 1, max: 300 }),
    direction: fc.constantFrom('outward', 'inward'),
    temperature: fc.constantFrom(1e-9, 1e-5, 0.1, 1, 10, 1e9),
    level: fc.double({ min: 0.01, max: 1, noNaN: true }),
    rMin: fc.double({ min: 0.001, max: 100, noNaN: true }),
    room: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
  })
  .map(({ room, temperature, level, ...rest }) => ({
    ...rest,
    rMax: rest.rMin + room,
    ...(rest.method === 'osmotic' ? {} : { temperature }),
    ...(rest.method === 'entropy' ? { level } : {}),
  }));

const columns = (rows: readonly (readonly [number, number])[]): [Float32Array, Float32Array] => [
  Float32Array.from(rows, ([p]) => p),
  Float32Array.from(rows, ([, h]) => h),
];

const sharesOf = (radii: Float32Array, rMin = 32, rMax = 512): number[] =>
  Array.from(radii, (radius) => (radius - rMin) / (rMax - rMin));

describe('radii', () => {
  it('are finite and within bounds for every finite input', () => {
    fc.assert(
      fc.property(patches, settings, (rows, options) => {
        const { radii, shells } = allocate(...columns(rows), options);
        const [least, most] = [Math.fround(options.rMin ?? 0), Math.fround(options.rMax ?? 0)];
        for (const radius of radii) {
          expect(radius).toBeGreaterThanOrEqual(least);
          expect(radius).toBeLessThanOrEqual(most);
        }
        for (const shell of shells) expect(shell).toBeLessThan(options.shells ?? 0);
      }),
      { numRuns: 300 },
    );
  });

  it('depend on the values and not on their order', () => {
    fc.assert(
      fc.property(patches, settings, fc.infiniteStream(fc.nat()), (rows, options, keys) => {
        const order = rows.map((_, i) => [keys.next().value as number, i] as const).sort((a, b) => a[0] - b[0]);
        const straight = allocate(...columns(rows), options);
        const turned = allocate(...columns(order.map(([, i]) => rows[i] ?? [0, 0])), options);
        expect([...turned.radii]).toEqual(order.map(([, i]) => straight.radii[i]));
        expect([...turned.shells]).toEqual(order.map(([, i]) => straight.shells[i]));
      }),
      { numRuns: 150 },
    );
  });

  it('rise with the weight, or fall with it where that is asked for', () => {
    fc.assert(
      fc.property(patches, settings, (rows, options) => {
        const { radii, shells } = allocate(...columns(rows), options);
        const weight = ([p, h]: readonly [number, number]): number =>
          options.method === 'entropy' ? 2 * Math.log(p) - h / (options.temperature ?? 1) : p;
        const order = rows.map((row, i) => ({ weight: weight(row), i })).sort((a, b) => a.weight - b.weight);
        const sign = options.direction === 'inward' ? -1 : 1;
        for (let k = 1; k < order.length; k++) {
          const [a, b] = [order[k - 1]?.i ?? 0, order[k]?.i ?? 0];
          expect(sign * ((radii[b] ?? 0) - (radii[a] ?? 0))).toBeGreaterThanOrEqual(-1e-6 * (radii[a] ?? 0));
          expect(sign * ((shells[b] ?? 0) - (shells[a] ?? 0))).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('inward are those outward, turned about the middle', () => {
    fc.assert(
      fc.property(usual, fc.constantFrom(...methods), (rows, method) => {
        const outward = allocate(...columns(rows), { method });
        const inward = allocate(...columns(rows), { method, direction: 'inward' });
        for (const [i, radius] of outward.radii.entries()) expect((inward.radii[i] ?? 0) + radius).toBeCloseTo(544, 3);
      }),
    );
  });
});

describe('by entropy', () => {
  it('fills exactly the room that there is', () => {
    fc.assert(
      fc.property(
        patches,
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.constantFrom(1e-5, 0.5, 1, 1e3),
        (rows, level, temperature) => {
          const { radii } = allocate(...columns(rows), { method: 'entropy', level, temperature });
          const filled = sharesOf(radii).reduce((sum, share) => sum + share, 0);
          expect(filled).toBeCloseTo(level * rows.length, 3);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is in proportion to the weights where no vessel is full', () => {
    const { radii } = allocate(Float32Array.of(1, 2, 3), Float32Array.of(1, 1, 1), { method: 'entropy', level: 0.1 });
    const [a = 0, b = 0, c = 0] = sharesOf(radii);
    expect(b / a).toBeCloseTo(4, 3);
    expect(c / a).toBeCloseTo(9, 3);
  });

  it('gives what a full vessel cannot take to the others', () => {
    const { radii } = allocate(Float32Array.of(1, 2, 100), Float32Array.of(0, 0, 0), { method: 'entropy', level: 0.5 });
    const [a = 0, b = 0, c = 0] = sharesOf(radii);
    expect(c).toBe(1);
    expect(a).toBeCloseTo(0.1, 5);
    expect(b).toBeCloseTo(0.4, 5);
  });

  it('of equals gives all the same, and of nothing but zeros too', () => {
    for (const p of [0, 1e-45, 7, 3.4028234663852886e38]) {
      const { radii } = allocate(new Float32Array(5).fill(p), new Float32Array(5).fill(2), { method: 'entropy' });
      expect([...radii]).toEqual([272, 272, 272, 272, 272]);
    }
  });

  it('at a low temperature gives all to the most certain, and at a high one asks for prominence alone', () => {
    const [p, h] = [Float32Array.of(9, 1, 5, 3), Float32Array.of(3, 0.5, 2, 1)];
    const cold = sharesOf(allocate(p, h, { method: 'entropy', temperature: 1e-9 }).radii);
    expect(cold).toEqual([0, 1, 0, 1]);
    const hot = allocate(p, h, { method: 'entropy', temperature: 1e9 }).radii;
    const without = allocate(p, new Float32Array(4), { method: 'entropy' }).radii;
    for (const [i, radius] of hot.entries()) expect(radius).toBeCloseTo(without[i] ?? 0, 3);
  });

  it('is finite where the older formula was not a number: entropies of bytes at 1e-5', () => {
    const h = Float32Array.from({ length: 1000 }, (_, i) => 0.05 + (4.45 * ((i * 617) % 1000)) / 1000);
    const p = Float32Array.from({ length: 1000 }, (_, i) => 20 + ((i * 389) % 1000) / 50);
    const { radii } = allocate(p, h, { method: 'entropy', temperature: 1e-5 });
    expect(radii.every(Number.isFinite)).toBe(true);
    expect(new Set(radii).size).toBeGreaterThan(1);
    const at1 = allocate(p, h, { method: 'entropy' }).radii;
    // spread over the room, not pressed against its end
    expect(new Set(at1).size).toBeGreaterThan(500);
  });
});

describe('osmotic', () => {
  it('fills every shell in proportion to its area, to within a fifth', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.float({ min: 0, max: 1e6, noNaN: true }), {
          minLength: 1,
          maxLength: 400,
          selector: (x) => x + 0,
        }),
        fc.integer({ min: 1, max: 20 }),
        (values, count) => {
          const { shells } = allocate(Float32Array.from(values), undefined, { shells: count });
          const radius = (i: number): number => (count === 1 ? 32 : 32 + 480 * (i / (count - 1)) ** 1.2);
          const area = Array.from({ length: count }, (_, i) => radius(i) ** 2).reduce((sum, one) => sum + one, 0);
          for (let i = 0; i < count; i++) {
            const share = (values.length * radius(i) ** 2) / area;
            const held = shells.filter((shell) => shell === i).length;
            expect(held).toBeGreaterThanOrEqual(0.8 * share - 1);
            expect(held).toBeLessThanOrEqual(1.2 * share + 1);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('leaves shells as prominence has them where that fits', () => {
    // as many at each prominence as the area of its shell asks for
    const values = Array.from({ length: 4 }, (_, i) => {
      const radius = 32 + 480 * (i / 3) ** 1.2;
      return Array<number>(Math.round(radius ** 2 / 100)).fill(i + 0.5);
    });
    const { shells } = allocate(Float32Array.from([...values.flat().slice(0, -1), 4]), undefined, { shells: 4 });
    const held = values.map((_, i) => shells.filter((shell) => shell === i).length);
    expect(held).toEqual(values.map((own) => own.length));
  });
});

describe('by energy', () => {
  it('takes the nearest shell, and its radius where the temperature is low', () => {
    const p = Float32Array.of(0, 0.9, 2, 3.83, 1e6);
    const { radii, shells } = allocate(p, undefined, { method: 'energy', temperature: 1e-9 });
    // energies are 0, 2, 4.24, 6.93, ...
    expect([...shells]).toEqual([0, 0, 1, 2, 127]);
    for (const [i, radius] of radii.entries()) expect(radius).toBeCloseTo(32 + (480 * (shells[i] ?? 0)) / 127, 3);
  });

  it('spreads over neighbours as the temperature rises', () => {
    const p = Float32Array.of(0);
    const at = (temperature: number): number => allocate(p, undefined, { method: 'energy', temperature }).radii[0] ?? 0;
    expect(at(1e-9)).toBe(32);
    expect(at(1)).toBeGreaterThan(32);
    expect(at(1e9)).toBeCloseTo(272, 0);
  });
});

describe('what is refused', () => {
  it.each([
    ['NaN', [1, Number.NaN], [0, 0], 1],
    ['infinity', [1, 1, Number.POSITIVE_INFINITY], [0, 0, 0], 2],
    ['a negative prominence', [-1], [0], 0],
    ['an entropy that is no number', [1, 1], [0, Number.NaN], 1],
  ] as const)('%s, with its row', (_, p, h, row) => {
    const given = (): unknown => allocate(Float32Array.from(p), Float32Array.from(h), { method: 'entropy' });
    expect(given).toThrowError(expect.objectContaining({ code: 'BAD_VALUE', position: { ordinal: row, row } }));
  });

  it('the method entropy without entropies', () => {
    expect(() => allocate(Float32Array.of(1), undefined, { method: 'entropy' })).toThrowError(
      expect.objectContaining({ code: 'NO_SIGNALS' }),
    );
  });

  it.each([
    { method: 'osmotic', temperature: 1 },
    { method: 'energy', level: 0.5 },
    { method: 'thrml' },
    { shells: 0 },
    { shells: 65537 },
    { shells: 1.5 },
    { rMin: 0 },
    { rMin: 600 },
    { rMax: Number.NaN },
    { rMax: 1e19 },
    { method: 'entropy', level: 0 },
    { method: 'entropy', level: 1.1 },
    { method: 'entropy', temperature: 0 },
    { method: 'entropy', temperature: Number.NaN },
    { direction: 'up' },
  ])('%j', (options) => {
    expect(() => allocate(new Float32Array(1), new Float32Array(1), options as AllocateOptions)).toThrowError(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    );
  });
});
