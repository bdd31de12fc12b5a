import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryAfter } from '../../../src/storage/http/retryAfter.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const inSeconds = (seconds: number): string => new Date(NOW + seconds * 1000).toUTCString();

describe('the wait that a server asks for', () => {
  it.each([
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '120' }, 120_000],
    [{ 'retry-after': ' 2 ' }, 2000],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': inSeconds(30) }, 30_000],
    [{ 'retry-after': inSeconds(-30) }, 0],
    // its clock is an hour ahead, and so is its date
    [{ 'retry-after': inSeconds(3610), date: inSeconds(3600) }, 10_000],
    [{ ratelimit: '"api";r=0;t=55' }, 55_000],
    [{ ratelimit: '"api";r=0;t=55, "resolvers";r=0;t=70, "pages";r=3;t=290' }, 70_000],
    [{ ratelimit: '"api"; r=12; t=55' }, undefined],
    [{ 'retry-after': '7', ratelimit: '"api";r=0;t=55' }, 7000],
    [{ 'retry-after': 'soon', ratelimit: '"api";r=0;t=55' }, 55_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{}, undefined],
  ] as const)('%j is %s ms', (headers, ms) => {
    expect(retryAfter(headers, NOW)).toBe(ms);
  });

  it('is a number of milliseconds from 0 up, or nothing, whatever stands there', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (after, limit, date) => {
        const ms = retryAfter({ 'retry-after': after, ratelimit: limit, date }, NOW);
        expect(ms === undefined || (ms >= 0 && Number.isFinite(ms))).toBe(true);
      }),
    );
  });
});
