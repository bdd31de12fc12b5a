import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/index.ts';
import { rowExtremes } from '../../src/kernels/index.ts';
import { extremesOfRows } from '../../src/kernels/rowExtremes/cpu.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';
import { conforms, normals } from './conformance.ts';

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

/** Normal numbers, all of one sign in some lines, subnormal ones and zeros in others. */
function lines(count: number, line: number): Float32Array {
  return normals(count * line, line).map((value, i) => {
    switch (Math.floor(i / line) % 5) {
      case 1:
        return Math.abs(value);
      case 2:
        return -Math.abs(value);
      case 3:
        return value * 2 ** -130;
      case 4:
        return value > 0 ? 0 : -0;
      default:
        return value * 2 ** 100;
    }
  });
}

conforms(
  rowExtremes,
  [
    [1, 1, 1],
    [7, 1, 3],
    [5, 32, 32],
    [5, 32, 96],
    [9, 32, 260],
    [3, 32, 33],
    [4, 260, 260],
    [6, 16, 7],
    [70, 5, 5],
  ].map(([count = 0, columns = 0, line = 0]) => {
    const input = lines(count, line);
    const { least, largest } = extremesOfRows(input, columns, line);
    const written = () => new Uint32Array(least.length);
    return {
      name: `${count} lines of ${line} in groups of ${columns}`,
      sizes: { rows: least.length, columns, line },
      buffers: { input: bitsOf(input), least: written(), largest: written() },
      expected: { least: { values: bitsOf(least) }, largest: { values: bitsOf(largest) } },
    };
  }),
);

describe('extremes of groups', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await testGpu();
  });
  afterAll(() => gpu.close());

  it.each([
    ['a NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['minus infinity', Number.NEGATIVE_INFINITY],
  ])('are finite but where a group has %s', async (_, bad) => {
    const input = normals(4 * 12);
    input[2 * 12 + 7] = bad;
    // the sign of a NaN has no meaning and either may come
    const other = bitsOf(input);
    other[2 * 12 + 7] = bitsOf(Float32Array.of(bad))[0]! ^ 0x80000000;
    for (const bits of [bitsOf(input), other]) {
      const written = { least: new Uint32Array(4), largest: new Uint32Array(4) };
      const found = await runKernel(gpu, rowExtremes, { rows: 4, columns: 12, line: 12 }, { input: bits, ...written });
      const finite = (words: Uint32Array) => [...new Float32Array(words.buffer)].map(Number.isFinite);
      const both = finite(found.least).map((least, i) => least && finite(found.largest)[i]);
      expect(both).toEqual([true, true, false, true]);
    }
  });
});
