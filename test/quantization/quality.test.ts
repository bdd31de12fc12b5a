import { beforeAll, describe, expect, it } from 'vitest';
import {
  openQuantizer,
  type Quantizer,
  resolveChain,
  type SchemeSpec,
  trainQuantizer,
} from '../../src/quantization/index.ts';
import { measureQuality } from '../../src/quantization/quality.ts';
import { novelEmbeddings } from './embeddings.ts';
import { normalRows } from './random.ts';

/** Keeps rows as a function of them and of their place. */
function keeping(columns: number, kept: (row: Float32Array, place: number) => ArrayLike<number>): Quantizer {
  return {
    chain: resolveChain('int8'),
    columns,
    trained: [],
    parts: [{ name: 'values', dtype: 'F32', shape: [columns], rowBytes: 4 * columns }],
    encode(rows) {
      const all = Array.from({ length: rows.length / columns }, (_, i) => {
        return Float32Array.from(kept(rows.subarray(i * columns, (i + 1) * columns), i));
      });
      return [new Uint8Array(Float32Array.from(all.flatMap((row) => [...row])).buffer)];
    },
    decode: ([bytes]) => new Float32Array(bytes!.slice().buffer),
  };
}

const lossless = (columns: number): Quantizer => keeping(columns, (row) => row);

/** Twelve directions in the plane, one degree more apart each time: neighbours are those at places nearby. */
const fan = Float32Array.from({ length: 12 }, (_, i) => ((i * (i + 1)) / 2 / 180) * Math.PI);
const fanRows = Float32Array.from([...fan].flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));

describe('errors', () => {
  it('are those of rows that were counted by hand', () => {
    // errors 1 and -2 of the numbers 3, 4, 0 and 12
    const quantizer = keeping(2, ([x, y], place) => (place === 0 ? [x! + 1, y!] : [x!, y! - 2]));
    const quality = measureQuality(quantizer, Float32Array.of(3, 4, 0, 12));
    expect(quality).toMatchObject({ rows: 2, mse: 5 / 4, max_error: 2, relative_error: Math.sqrt(5 / 169), ratio: 1 });
    // (3, 4) with (4, 4), and two rows in one direction
    const cosine = 28 / (5 * Math.sqrt(32));
    expect(quality.cosine?.mean).toBeCloseTo((cosine + 1) / 2, 12);
    expect(quality.cosine?.least).toBeCloseTo(cosine, 12);
  });

  it('of zero rows are a cosine of 1 where they stay zero, and of 0 where they do not', () => {
    const rows = new Float32Array(4);
    expect(measureQuality(lossless(2), rows)).toMatchObject({ relative_error: 0, cosine: { mean: 1, least: 1 } });
    const moved = measureQuality(
      keeping(2, (row, place) => (place === 0 ? row : [1, 0])),
      rows,
    );
    expect(moved.cosine).toEqual({ mean: 0.5, least: 0 });
  });

  it('of single columns come with a correlation, and without cosine and neighbours', () => {
    const rows = Float32Array.of(1, 2, 3, 4);
    const turned = measureQuality(
      keeping(1, ([x]) => [5 - x!]),
      rows,
    );
    expect(turned).toEqual({
      rows: 4,
      mse: 5,
      max_error: 3,
      relative_error: Math.sqrt(20 / 30),
      ratio: 1,
      shared_bytes: 0,
      correlation: -1,
    });
    expect(
      measureQuality(
        keeping(1, () => [1]),
        rows,
      ),
    ).not.toHaveProperty('correlation');
  });
});

describe('recall among the ten nearest', () => {
  const recall = (quantizer: Quantizer, rows: Float32Array): number | undefined =>
    measureQuality(quantizer, rows).recall_at_10;

  it('is 1 where nothing is lost, also with rows that repeat', () => {
    expect(recall(lossless(8), normalRows(1, 300, 8))).toBe(1);
    const repeated = normalRows(1, 300, 8).map((_, at, all) => all[at % (7 * 8)]!);
    expect(recall(lossless(8), repeated)).toBe(1);
    expect(recall(lossless(2), new Float32Array(40).fill(1))).toBe(1);
  });

  it('does not depend on lengths', () => {
    expect(
      recall(
        keeping(8, (row, place) => row.map((x) => x * (place + 1) * 0.25)),
        normalRows(1, 200, 8),
      ),
    ).toBe(1);
  });

  it('is what was counted by hand', () => {
    // of twelve directions that go further apart, each has ten of its eleven others nearest: all but the one at the far end.
    // The first of them is decoded opposite, so nobody finds it.
    const turned = keeping(2, (row, place) => (place === 0 ? row.map((x) => -x) : row));
    // rows 0 to 8 are nearer to row 0 than to row 11; rows 9 to 11 are not, and lose nothing
    const nearer = (i: number, j: number): number => Math.abs(fan[i]! - fan[j]!);
    let hits = 0;
    for (let row = 0; row < 12; row++) {
      const others = [...Array(12).keys()].filter((other) => other !== row);
      const left = others.toSorted((a, b) => nearer(row, a) - nearer(row, b)).slice(0, 10);
      hits += row > 0 && left.includes(0) ? 9 : 10;
    }
    expect(hits).toBeLessThan(120);
    expect(recall(turned, fanRows)).toBeCloseTo(hits / 120, 12);
  });

  it('is the share of chance where all rows are decoded alike', () => {
    const rows = normalRows(3, 101, 4);
    // ten of a hundred others are right, and any ten of a hundred are found
    expect(
      recall(
        keeping(4, () => [1, 2, 3, 4]),
        rows,
      ),
    ).toBeCloseTo(0.1, 12);
  });

  it('asks for fewer where there are fewer rows, and for none of one', () => {
    expect(
      recall(
        keeping(2, (row) => row.map((x) => -x)),
        fanRows.subarray(0, 8),
      ),
    ).toBe(1);
    expect(recall(lossless(2), fanRows.subarray(0, 2))).toBeUndefined();
  });

  it('looks among rows taken evenly', () => {
    const rows = normalRows(5, 1000, 4);
    // a hundred rows, every tenth, are found; the others are lost
    const quantizer = keeping(4, (row, place) => (place % 10 === 0 ? row : [1, 1, 1, 1]));
    expect(measureQuality(quantizer, rows, { neighbours: 100 }).recall_at_10).toBe(1);
    expect(measureQuality(quantizer, rows).recall_at_10).toBeLessThan(0.5);
  });
});

describe('on real embeddings of the embedded model', () => {
  let columns = 0;
  let rows: Float32Array = new Float32Array();
  beforeAll(async () => {
    ({ columns, rows } = await novelEmbeddings(3));
  });
  const quality = (to: SchemeSpec | readonly SchemeSpec[]) =>
    measureQuality(trainQuantizer(resolveChain(to), { columns, rows, seed: 0 }), rows);

  it('int8 keeps cosines of 0.9995 and a recall of 0.98', () => {
    const { cosine, recall_at_10, ratio, shared_bytes } = quality('int8');
    expect(rows.length / columns).toBeGreaterThan(2500);
    expect(cosine?.least).toBeGreaterThanOrEqual(0.9995);
    expect(recall_at_10).toBeGreaterThanOrEqual(0.98);
    expect(ratio).toBeGreaterThan(3.8);
    expect(shared_bytes).toBe(0);
  });

  it('pq keeps the more the more bytes it has', () => {
    const measured = [8, 16].map((subquantizers) => quality({ scheme: 'pq', subquantizers }));
    expect(measured.map(({ ratio }) => ratio)).toEqual([64, 32]);
    const recalls = measured.map(({ recall_at_10 }) => recall_at_10!);
    for (const [i, wanted] of [0.66, 0.76].entries()) {
      expect(Math.abs(recalls[i]! - wanted)).toBeLessThan(0.03);
      expect(measured[i]?.shared_bytes).toBe(4 * 256 * columns);
    }
  });

  it('pca and then int8 makes an eighth of the bytes, scales counted', () => {
    const { ratio, recall_at_10 } = quality(['pca', 'int8']);
    expect(ratio).toBeGreaterThan(7.5);
    expect(ratio).toBeLessThan(8);
    expect(recall_at_10).toBeGreaterThan(0.85);
  });

  it('refuses rows that cannot be held', () => {
    const bad = rows.slice(0, columns).fill(Number.NaN, 3, 4);
    expect(() => measureQuality(openQuantizer(resolveChain('int8'), columns), bad)).toThrow(
      expect.objectContaining({ code: 'QUANTIZE_VALUE' }),
    );
  });
});
