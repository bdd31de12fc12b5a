import fc from 'fast-check';
import { expect, it } from 'vitest';
import { profileRows, profileTable } from '../../src/gpu/index.ts';

const CEILINGS = { copyBytesPerSecond: 100e9, flopsPerSecond: 5e12 };
const TIMES = [
  { name: 'matmul.f32.tile4', dispatches: 98, seconds: 0.06, bytes: 1.2e9, flops: 240e9 },
  { name: 'rms_norm.subgroup4', dispatches: 29, seconds: 0.02, bytes: 1.6e9, flops: 1e9 },
  { name: 'gather.invocation', dispatches: 1, seconds: 0, bytes: 1000, flops: 0 },
];

it('a kernel is held to the ceiling that it comes nearer to', () => {
  expect(profileRows(TIMES, CEILINGS)).toEqual([
    {
      name: 'matmul.f32.tile4',
      calls: 98,
      milliseconds: 60,
      share: 0.75,
      gigabytesPerSecond: 20,
      gigaflopsPerSecond: 4000,
      ofCeiling: 0.8,
      ceiling: 'product',
    },
    {
      name: 'rms_norm.subgroup4',
      calls: 29,
      milliseconds: 20,
      share: 0.25,
      gigabytesPerSecond: 80,
      gigaflopsPerSecond: 50,
      ofCeiling: 0.8,
      ceiling: 'copy',
    },
    {
      name: 'gather.invocation',
      calls: 1,
      milliseconds: 0,
      share: 0,
      gigabytesPerSecond: 0,
      gigaflopsPerSecond: 0,
      ofCeiling: 0,
      ceiling: 'copy',
    },
  ]);
});

it('the table is one for people', () => {
  expect(profileTable(TIMES, CEILINGS)).toEqual([
    'kernel              calls     ms   share  GB/s  GFLOP/s  of ceiling',
    'matmul.f32.tile4       98  60.00  75.0 %  20.0     4000  80.0 % product',
    'rms_norm.subgroup4     29  20.00  25.0 %  80.0     50.0  80.0 % copy',
    'gather.invocation       1   0.00   0.0 %  0.00     0.00  0.0 % copy',
    'all                   128  80.00',
    'ceilings measured here: copy 100 GB/s, product 5000 GFLOP/s',
  ]);
});

it('shares add up to one, and no figure is none', () => {
  const amount = fc.double({ min: 0, max: 1e15, noNaN: true });
  const kernelTimes = fc.record({
    name: fc.string(),
    dispatches: fc.nat(),
    seconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
    bytes: amount,
    flops: amount,
  });
  const ceilings = fc.record({ copyBytesPerSecond: amount, flopsPerSecond: amount });
  fc.assert(
    fc.property(fc.array(kernelTimes), ceilings, (times, best) => {
      const rows = profileRows(times, best);
      const shares = rows.reduce((sum, { share }) => sum + share, 0);
      expect(shares).toBeCloseTo(times.some(({ seconds }) => seconds > 0) ? 1 : 0, 6);
      for (const row of rows) expect(Object.values(row).every((value) => !Number.isNaN(value))).toBe(true);
      expect(profileTable(times, best).length).toBe(times.length + 3);
    }),
  );
});
