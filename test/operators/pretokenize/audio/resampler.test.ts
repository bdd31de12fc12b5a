import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK, type ResampledBlock, Resampler } from '../../../../src/operators/pretokenize/audio/resampler.ts';
import { signalToNoise, sine } from './sounds.ts';

/** Samples at another rate, pushed in parts of these sizes in turn. */
function resampled(samples: ArrayLike<number>, from: number, to: number, parts: readonly number[] = [BLOCK]): number[] {
  const resampler = new Resampler({ from, to, channels: 1 });
  const output: number[] = [];
  const take = (block: ResampledBlock) => void output.push(...block.floats(0));
  for (let at = 0, n = 0; at < samples.length; n++) {
    const count = Math.min(parts[n % parts.length] ?? BLOCK, samples.length - at);
    const room = resampler.room(0);
    for (let k = 0; k < count; k++) room[k] = samples[at + k] ?? 0;
    resampler.push(count, take);
    at += count;
  }
  resampler.finish(take);
  return output;
}

/** Samples in the middle, where the silence beyond the ends is not felt. */
const middle = <T>(samples: ArrayLike<T>): T[] => Array.from(samples).slice(1000, -1000);
const decibels = (samples: readonly number[], reference: readonly number[]): number =>
  10 * Math.log10(samples.reduce((sum, x) => sum + x * x, 0) / reference.reduce((sum, x) => sum + x * x, 0));

describe('sample k of the output is the input at the time k / rate', () => {
  it.each([
    // hertz, from, to, least signal to noise in dB against the sine itself
    [100, 44_100, 16_000, 105],
    [1000, 44_100, 16_000, 110],
    [5000, 44_100, 16_000, 105],
    [6500, 44_100, 16_000, 80],
    [1000, 48_000, 16_000, 110],
    [1000, 8000, 16_000, 110],
    [1000, 11_025, 16_000, 105],
    [1000, 16_000, 44_100, 110],
    [1000, 96_000, 44_100, 110],
    [1000, 44_099, 16_000, 110],
  ])('%i Hz from %i to %i samples a second: within %i dB', (hertz, from, to, least) => {
    const count = Math.floor(0.75 * from);
    const output = resampled(sine(hertz, from, count), from, to);
    expect(output).toHaveLength(Math.ceil((count * to) / from));
    expect(signalToNoise(middle(output), middle(sine(hertz, to, output.length)))).toBeGreaterThan(least);
  });

  it('without drift after a minute', () => {
    const output = resampled(sine(1000, 11_025, 60 * 11_025), 11_025, 8000);
    const last = sine(1000, 8000, output.length).slice(-9000, -1000);
    expect(signalToNoise(output.slice(-9000, -1000), last)).toBeGreaterThan(105);
  });
});

describe('what the new rate cannot hold', () => {
  it.each([
    [8200, -60],
    [9000, -95],
    [10_000, -95],
    [15_000, -95],
    [21_000, -95],
  ])('(%i Hz at 16 kHz) comes out below %i dB', (hertz, most) => {
    const output = resampled(sine(hertz, 44_100, 44_100), 44_100, 16_000);
    expect(decibels(middle(output), middle(sine(1000, 16_000, output.length)))).toBeLessThan(most);
  });

  it('begins behind 6.4 kHz at 16 kHz: until there nothing is lost', () => {
    for (const hertz of [50, 500, 3000, 6000, 6400]) {
      const output = resampled(sine(hertz, 48_000, 24_000), 48_000, 16_000);
      expect(Math.abs(decibels(middle(output), middle(sine(hertz, 16_000, output.length))))).toBeLessThan(0.001);
    }
  });
});

const rates = fc.constantFrom(8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 7350, 12_345);

describe('whatever the rates', () => {
  it('N samples become ceil(N * to / from), the same in whatever parts they come', () => {
    fc.assert(
      fc.property(
        rates,
        rates,
        fc.integer({ min: 1, max: 3000 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        (from, to, count, parts) => {
          const samples = sine(440, from, count);
          const output = resampled(samples, from, to, parts);
          expect(output).toHaveLength(Math.ceil((count * to) / from));
          expect(output).toEqual(resampled(samples, from, to));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a constant stays as it is, but for what is beyond the ends', () => {
    fc.assert(
      fc.property(rates, rates, (from, to) => {
        const output = resampled(new Float32Array(9000).fill(0.25), from, to);
        const inner = output.slice(Math.ceil(output.length / 4), Math.floor((3 * output.length) / 4));
        for (const value of inner) expect(Math.abs(value - 0.25)).toBeLessThan(1e-6);
      }),
      { numRuns: 30 },
    );
  });

  it('equal rates change nothing', () => {
    const samples = Float32Array.from(sine(440, 16_000, 40_000));
    expect(resampled(samples, 16_000, 16_000)).toEqual(Array.from(samples));
  });

  it('a click stays where it is', () => {
    for (const [from, to] of [
      [48_000, 16_000],
      [44_100, 16_000],
      [8000, 16_000],
    ] as const) {
      const samples = new Float32Array(from);
      samples[from / 2] = 1;
      const output = resampled(samples, from, to);
      expect(output.indexOf(Math.max(...output))).toBe(to / 2);
    }
  });
});

describe('16 bits', () => {
  it('are the nearest, ties even, the largest where they do not suffice; and those are counted', () => {
    const values = [
      0, 0.5, 1.5, 2.5, -0.5, -1.5, 32_766.5, 32_767, 32_767.6, 40_000, -32_768, -32_768.4, -32_769, 1e9, -1e9,
    ];
    const padded = Float32Array.from([...values, ...values, ...values], (value) => value / 32_768);
    const resampler = new Resampler({ from: 1000, to: 1000, channels: 1 });
    resampler.room(0).set(padded);
    let seen: unknown;
    resampler.push(padded.length, (block) => {
      const { samples, beyond } = block.quantised(0, 32_768);
      seen = { samples: Array.from(samples), beyond };
    });
    const expected = [0, 0, 2, 2, 0, -2, 32_766, 32_767, 32_767, 32_767, -32_768, -32_768, -32_768, 32_767, -32_768];
    expect(seen).toEqual({ samples: [...expected, ...expected, ...expected], beyond: 3 * 5 });
  });
});
