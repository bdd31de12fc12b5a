import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timeOf } from '../../src/sources/times.ts';

describe('a time', () => {
  it.each([
    ['1970-01-01', 0],
    ['0001-02-03', -62132745600000],
    ['2024-02-29T12:00:00Z', 1709208000000],
    ['2024-02-29 12:00:00', 1709208000000],
    ['2024-02-29t12:00z', 1709208000000],
    ['2024-02-29T12:00:00.123999Z', 1709208000123],
    ['2024-02-29T12:00:00.5+01:00', 1709204400500],
    ['2024-02-29T12:00:00-0130', 1709213400000],
  ])('%s is %d ms', (text, time) => {
    expect(timeOf(text)).toBe(time);
  });

  it.each(['2024-02-30', '2023-02-29', '2024-13-01', '2024-00-01', '2024-01-01T24:00', '2024-01-01T12:60', '24-01-01'])(
    '%s is none',
    (text) => {
      expect(timeOf(text)).toBeNaN();
    },
  );

  it('comes back from what is written of it', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          expect(timeOf(date.toISOString())).toBe(date.getTime());
        },
      ),
    );
  });
});
