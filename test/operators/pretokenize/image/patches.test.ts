import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gridOf, hilbertOrder } from '../../../../src/operators/pretokenize/image/grid.ts';
import { type ImageOptions, settledImage } from '../../../../src/operators/pretokenize/image/options.ts';
import { type PatchTable, patchTable } from '../../../../src/operators/pretokenize/image/patchTable.ts';
import type { Frame } from '../../../../src/operators/pretokenize/image/picture.ts';
import { factOf } from './support.ts';

const MOST = 16 << 20;

const cut = (frames: readonly Frame[], options: ImageOptions, most = MOST): PatchTable =>
  patchTable(frames, settledImage({ localEntropy: true, ...options }), most, {});

const column = ({ segments }: PatchTable, name: string): number[] => [...(segments.columns?.[name] ?? [])];

/** Shannon's formula. */
function entropyOf(bytes: Uint8Array): number {
  const counts = new Map<number, number>();
  for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / bytes.length) * Math.log2(count / bytes.length);
  return bits;
}

/** Pictures of a few colours, so that there are flat places in them. */
const frame = (most = 70): fc.Arbitrary<Frame> =>
  fc
    .record({
      width: fc.integer({ min: 1, max: most }),
      height: fc.integer({ min: 1, max: most }),
      seed: fc.integer(),
      colours: fc.integer({ min: 1, max: 256 }),
      flat: fc.integer({ min: 1, max: 40 }),
    })
    .map(({ width, height, seed, colours, flat }) => {
      let state = seed;
      const rgb = new Uint8Array(width * height * 3);
      for (let at = 0; at < rgb.length; at++) {
        if (at % flat === 0) state = (Math.imul(state, 1664525) + 1013904223) | 0;
        rgb[at] = (state >>> 24) % colours;
      }
      return { width, height, rgb };
    });

const spacing = fc
  .integer({ min: 1, max: 24 })
  .chain((patchSize) =>
    fc.record({ patchSize: fc.constant(patchSize), stride: fc.integer({ min: 1, max: patchSize }) }),
  );
const order = fc.constantFrom('raster' as const, 'hilbert' as const);
const edges = fc.constantFrom('pad' as const, 'replicate' as const);

describe('patches of any size, stride and order', () => {
  it('put together again are the picture, and what lies beyond it is as asked for', () => {
    fc.assert(
      fc.property(frame(), spacing, order, edges, (picture, { patchSize, stride }, order, edges) => {
        const table = cut([picture], { patchSize, stride, order, edges });
        const { width, height, rgb } = picture;
        const again = Buffer.alloc(rgb.length);
        const xs = column(table, 'x');
        const ys = column(table, 'y');
        let wrong = 0;
        for (const [n, end] of table.segments.ends.entries()) {
          const x0 = xs[n] ?? -1;
          const y0 = ys[n] ?? -1;
          let at = n === 0 ? 0 : (table.segments.ends[n - 1] ?? 0);
          for (let y = y0; y < y0 + patchSize; y++) {
            for (let x = x0; x < x0 + patchSize; x++, at += 3) {
              const inside = x < width && y < height;
              const from = 3 * (Math.min(y, height - 1) * width + Math.min(x, width - 1));
              for (let c = 0; c < 3; c++) {
                const value = table.bytes[at + c] ?? -1;
                if (inside) again[from + c] = value;
                else if (value !== (edges === 'replicate' ? rgb[from + c] : 0)) wrong++;
              }
            }
          }
          expect(at).toBe(end);
        }
        expect(again.equals(rgb)).toBe(true);
        expect(wrong).toBe(0);
        expect(table.segments.ends.at(-1)).toBe(table.bytes.length);
      }),
      { numRuns: 150 },
    );
  });

  it('are as few as cover the picture, each once; with crop, all that lie within it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), spacing, (side, { patchSize, stride }) => {
        const size = { width: side, height: side };
        const { columns } = gridOf(size, { patchSize, stride, edges: 'pad' });
        const reach = (count: number): number => (count - 1) * stride + patchSize;
        expect(reach(columns)).toBeGreaterThanOrEqual(side);
        if (columns > 1) expect(reach(columns - 1)).toBeLessThan(side);
        const within = gridOf(size, { patchSize, stride, edges: 'crop' }).columns;
        if (within > 0) expect(reach(within)).toBeLessThanOrEqual(side);
        expect(reach(within + 1)).toBeGreaterThan(side);
      }),
    );
  });

  it('with crop are those of a picture that ends with the last whole patch', () => {
    fc.assert(
      fc.property(frame(), spacing, ({ width, height, rgb }, { patchSize, stride }) => {
        const grid = gridOf({ width, height }, { patchSize, stride, edges: 'crop' });
        fc.pre(grid.columns > 0 && grid.rows > 0);
        const across = (grid.columns - 1) * stride + patchSize;
        const down = (grid.rows - 1) * stride + patchSize;
        const smaller = Buffer.concat(
          Array.from({ length: down }, (_, y) => rgb.subarray(3 * y * width, 3 * (y * width + across))),
        );
        const own = cut([{ width, height, rgb }], { patchSize, stride, edges: 'crop' });
        const whole = cut([{ width: across, height: down, rgb: smaller }], { patchSize, stride });
        expect(Buffer.from(own.bytes).equals(whole.bytes)).toBe(true);
      }),
    );
  });

  it('tell the entropy of their bytes', () => {
    fc.assert(
      fc.property(frame(), spacing, order, (picture, spacing, order) => {
        const table = cut([picture], { ...spacing, order });
        const bytes = spacing.patchSize ** 2 * 3;
        for (const [n, own] of column(table, 'local_entropy').entries()) {
          expect(own).toBeCloseTo(entropyOf(table.bytes.subarray(n * bytes, (n + 1) * bytes)), 9);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('tell it where they are large, and exactly 0 where they are of one value', () => {
    for (const patchSize of [1, 15, 16, 18, 19, 33, 64, 256]) {
      const side = patchSize + 3;
      const noise = Uint8Array.from({ length: side * side * 3 }, (_, n) => Math.imul(n + 1, 2654435761) >>> 24);
      const table = cut([{ width: side, height: side, rgb: noise }], { patchSize, edges: 'crop' });
      expect(column(table, 'local_entropy')[0]).toBeCloseTo(entropyOf(table.bytes.subarray(0, patchSize ** 2 * 3)), 9);
      const flat = cut([{ width: side, height: side, rgb: new Uint8Array(side * side * 3).fill(255) }], {
        patchSize,
        edges: 'crop',
      });
      expect(new Set(column(flat, 'local_entropy'))).toEqual(new Set([0]));
    }
  });

  it('say where they lie, and what of them lies within the picture', () => {
    const table = cut([{ width: 35, height: 20, rgb: new Uint8Array(35 * 20 * 3) }], {});
    expect(column(table, 'x')).toEqual([0, 16, 32, 0, 16, 32]);
    expect(column(table, 'y')).toEqual([0, 0, 0, 16, 16, 16]);
    expect(column(table, 'width')).toEqual([16, 16, 3, 16, 16, 3]);
    expect(column(table, 'height')).toEqual([16, 16, 16, 4, 4, 4]);
    expect(table.segments.labels).toEqual(['image_patch']);
    expect(table.segments.meta).toEqual({
      image_width: 35,
      image_height: 20,
      patch_size: 16,
      stride: 16,
      order: 'raster',
      channels: 3,
    });
  });

  it('leave the entropy out where it is not wanted, and are the same', () => {
    const picture = fc.sample(frame(), { seed: 4, numRuns: 1 })[0] ?? expect.fail();
    const bare = cut([picture], { localEntropy: undefined });
    expect(bare.segments.columns).not.toHaveProperty('local_entropy');
    expect(bare.bytes).toEqual(cut([picture], {}).bytes);
  });
});

describe('the Hilbert order', () => {
  const sides = fc.record({ columns: fc.integer({ min: 1, max: 90 }), rows: fc.integer({ min: 1, max: 90 }) });

  it('visits each cell of any grid once, from neighbour to neighbour', () => {
    fc.assert(
      fc.property(sides, ({ columns, rows }) => {
        const order = hilbertOrder({ columns, rows });
        expect(new Set(order).size).toBe(columns * rows);
        let diagonal = 0;
        let jumps = 0;
        for (let n = 1; n < order.length; n++) {
          const [a = 0, b = 0] = order.subarray(n - 1, n + 1);
          const across = Math.abs((a % columns) - (b % columns));
          const down = Math.abs(Math.floor(a / columns) - Math.floor(b / columns));
          if (across + down === 2) diagonal++;
          if (Math.max(across, down) !== 1) jumps++;
        }
        expect(order[0]).toBe(0);
        expect(jumps).toBe(0);
        expect(diagonal).toBeLessThanOrEqual(1);
      }),
      { numRuns: 300 },
    );
  });

  it('is the curve itself where the grid is a power of two', () => {
    expect([...hilbertOrder({ columns: 2, rows: 2 })]).toEqual([0, 2, 3, 1]);
    expect([...hilbertOrder({ columns: 4, rows: 4 })]).toEqual([0, 1, 5, 4, 8, 12, 13, 9, 10, 14, 15, 11, 7, 6, 2, 3]);
  });
});

describe('merged runs', () => {
  it('lie in one row, read from left to right, and are under the threshold in the mean', () => {
    fc.assert(
      fc.property(frame(200), order, fc.double({ min: 0, max: 8, noNaN: true }), (picture, order, merge) => {
        const patchSize = 8;
        const plain = cut([picture], { patchSize, order });
        const merged = cut([picture], { patchSize, order, merge });
        // the bytes are the same, only the cuts are fewer
        expect(Buffer.from(merged.bytes).equals(plain.bytes)).toBe(true);
        const counts = column(merged, 'merge_count');
        const entropies = column(plain, 'local_entropy');
        const [xs, ys] = [column(plain, 'x'), column(plain, 'y')];
        const [mergedX, mergedY] = [column(merged, 'x'), column(merged, 'y')];
        const widths = column(merged, 'width');
        const runs = factOf(merged.segments, 'is_super_patch');
        let first = 0;
        for (const [n, count] of counts.entries()) {
          const run = entropies.slice(first, first + count);
          for (let k = 0; k < count; k++) {
            expect(ys[first + k]).toBe(mergedY[n]);
            expect(xs[first + k]).toBe((mergedX[n] ?? 0) + k * patchSize);
          }
          const mean = run.reduce((sum, own) => sum + own, 0) / count;
          if (count > 1) expect(mean).toBeLessThan(merge);
          expect(column(merged, 'local_entropy')[n]).toBeCloseTo(mean, 9);
          expect(runs[n]).toBe(count > 1);
          expect(widths[n]).toBe(Math.min(count * patchSize, picture.width - (mergedX[n] ?? 0)));
          first += count;
          // whatever could have been taken into the run was
          const next = entropies[first];
          const follows = ys[first] === mergedY[n] && xs[first] === (mergedX[n] ?? 0) + count * patchSize;
          if (next !== undefined && follows) {
            expect((mean * count + next) / (count + 1)).toBeGreaterThanOrEqual(merge - 1e-9);
          }
        }
        expect(first).toBe(entropies.length);
      }),
      { numRuns: 60 },
    );
  });

  it('do not wrap: a picture of one colour has one in each row', () => {
    const table = cut([{ width: 160, height: 48, rgb: new Uint8Array(160 * 48 * 3).fill(9) }], { merge: 1.5 });
    expect(column(table, 'merge_count')).toEqual([10, 10, 10]);
    expect(column(table, 'x')).toEqual([0, 0, 0]);
    expect(column(table, 'y')).toEqual([0, 16, 32]);
    expect(column(table, 'width')).toEqual([160, 160, 160]);
    expect([...table.segments.ends]).toEqual([7680, 15360, 23040]);
  });

  it('are no longer than a segment may be', () => {
    const table = cut([{ width: 160, height: 16, rgb: new Uint8Array(160 * 16 * 3) }], { merge: 1.5 }, 4 * 768);
    expect(column(table, 'merge_count')).toEqual([4, 4, 2]);
  });
});

describe('a segment', () => {
  const picture = { width: 40, height: 40, rgb: Uint8Array.from({ length: 4800 }, (_, n) => n) };

  it('is a row of patches where that is asked for', () => {
    const table = cut([picture], { unit: 'row' });
    expect(table.segments.labels).toEqual(['image_row']);
    expect([...table.segments.ends]).toEqual([3 * 768, 6 * 768, 9 * 768]);
    expect(column(table, 'patches')).toEqual([3, 3, 3]);
    expect(column(table, 'width')).toEqual([40, 40, 40]);
    expect(column(table, 'height')).toEqual([16, 16, 8]);
    expect(table.bytes).toEqual(cut([picture], {}).bytes);
    const entropies = column(cut([picture], {}), 'local_entropy');
    const mean = entropies.slice(0, 3).reduce((sum, own) => sum + own, 0) / 3;
    expect(column(table, 'local_entropy')[0]).toBeCloseTo(mean, 12);
  });

  it('is a frame, cut between patches where it is too large', () => {
    for (const order of ['raster', 'hilbert'] as const) {
      const table = cut([picture, picture], { unit: 'image', order });
      expect(table.segments.labels).toEqual(['image']);
      expect([...table.segments.ends]).toEqual([9 * 768, 18 * 768]);
      expect(factOf(table.segments, 'frame')).toEqual([0, 1]);
      expect(column(table, 'width')).toEqual([40, 40]);
      const small = cut([picture], { unit: 'image', order }, 4 * 768 + 700);
      expect([...small.segments.ends]).toEqual([4 * 768, 8 * 768, 9 * 768]);
    }
  });
});

describe('options', () => {
  it.each([
    { patchSize: 0 },
    { patchSize: 257 },
    { patchSize: 1.5 },
    { stride: 17 },
    { patchSize: 8, stride: 9 },
    { merge: -1 },
    { merge: 9 },
    { merge: Number.NaN },
    { merge: 1.5, localEntropy: false },
    { merge: 1.5, unit: 'row' as const },
    { unit: 'row' as const, order: 'hilbert' as const },
    { maxPixels: 0 },
    { maxSide: -4 },
    { maxFrames: 0 },
    { svgDensity: 0 },
    { background: [0, 0, 256] as const },
  ])('that mean nothing are refused: %j', (options: ImageOptions) => {
    expect(() => settledImage(options)).toThrow(expect.objectContaining({ name: 'PipelineError', code: 'BAD_OPTION' }));
  });

  it('are refused where they name what does not exist', () => {
    for (const options of [
      { order: 'spiral' },
      { edges: 'wrap' },
      { alpha: 'keep' },
      { frames: 2 },
      { merge: true },
      { background: 'white' },
    ]) {
      // as somebody without types writes them
      expect(() => settledImage(options as unknown as ImageOptions)).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION' }),
      );
    }
  });
});
