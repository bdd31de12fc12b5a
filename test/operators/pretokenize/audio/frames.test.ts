import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PipelineError } from '../../../../src/errors.ts';
import { type AudioOptions, settledAudio } from '../../../../src/operators/pretokenize/audio/options.ts';
import type { View } from '../../../../src/operators/pretokenize/view.ts';
import { AS_IT_IS, cutSound, fixture, samplesOf, shorts, signalToNoise, sine, wavOf } from './sounds.ts';

/** What a view says of each of its segments. */
function rows({ segments, bytes = new Uint8Array(0) }: View) {
  const { ends, origins, labels, columns = {} } = segments;
  return Array.from(ends, (end, n) => ({
    bytes: bytes.subarray(n === 0 ? 0 : ends[n - 1], end),
    label: labels[0],
    origin: origins === undefined ? undefined : [origins[2 * n], origins[2 * n + 1]],
    ...Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[n]])),
  }));
}

const tone = (samples: number, rate = 16_000) => sine(440, rate, samples);

describe('frames', () => {
  it('are segments of 160 samples by choice, the last one what is left', async () => {
    const view = await cutSound(wavOf([tone(500)], 16_000), { unit: 'frame' });
    expect(rows(view)).toEqual([
      expect.objectContaining({
        label: 'audio_frame',
        frame_index: 0,
        start_sample: 0,
        samples: 160,
        start_seconds: 0,
        duration_seconds: 0.01,
        origin: [44, 364],
      }),
      expect.objectContaining({ frame_index: 1, start_sample: 160, start_seconds: 0.01, origin: [364, 684] }),
      expect.objectContaining({ frame_index: 2, start_sample: 320, start_seconds: 0.02, samples: 160 }),
      expect.objectContaining({
        frame_index: 3,
        start_sample: 480,
        samples: 20,
        duration_seconds: 0.00125,
        origin: [1004, 1044],
      }),
    ]);
    expect(rows(view).map(({ bytes }) => bytes.length)).toEqual([320, 320, 320, 40]);
  });

  it('are filled up with silence only where that is asked for', async () => {
    const wav = wavOf([tone(500)], 16_000);
    const padded = await cutSound(wav, { unit: 'frame', pad: true });
    expect(rows(padded).map(({ bytes }) => bytes.length)).toEqual([320, 320, 320, 320]);
    const samples = shorts(padded.bytes ?? new Uint8Array(0));
    expect(samples.subarray(0, 500)).toEqual(await samplesOf(wav));
    expect(samples.subarray(500)).toEqual(new Int16Array(140));
    expect(rows(padded).at(-1)).toMatchObject({ origin: [1004, 1044] });
  });

  it('hold all channels of their samples', async () => {
    const view = await cutSound(wavOf([tone(400), tone(400)], 16_000), {
      ...AS_IT_IS,
      unit: 'frame',
      frameSamples: 100,
    });
    expect(rows(view).map(({ bytes }) => bytes.length)).toEqual([400, 400, 400, 400]);
    expect(view.segments.meta).toMatchObject({ channels: 2, frame_samples: 100 });
  });
});

describe('stretches', () => {
  it('are segments of ten seconds, of whole frames', async () => {
    const view = await cutSound(wavOf([tone(16_000 * 25 + 7)], 16_000));
    expect(rows(view)).toMatchObject([
      {
        label: 'audio_segment',
        frame_index: 0,
        start_sample: 0,
        samples: 160_000,
        start_seconds: 0,
        duration_seconds: 10,
      },
      { frame_index: 1000, start_sample: 160_000, start_seconds: 10 },
      { frame_index: 2000, start_sample: 320_000, samples: 80_007, start_seconds: 20 },
    ]);
  });

  it.each([
    [{ segmentSeconds: 1 }, 16 << 20, 16_000],
    [{ segmentSeconds: 0.0251 }, 16 << 20, 320],
    [{ segmentSeconds: 0.001 }, 16 << 20, 160],
    [{ segmentSeconds: 1, frameSamples: 7000 }, 16 << 20, 14_000],
    [{}, 4000, 1920],
  ] as const)('of %o, at most %i bytes long, have %i samples', async (options, maxSegmentBytes, samples) => {
    const view = await cutSound(wavOf([tone(40_000)], 16_000), options, { maxSegmentBytes });
    expect(rows(view)[0]).toMatchObject({ samples });
  });
});

describe('whatever the options', () => {
  const options: fc.Arbitrary<AudioOptions> = fc.record({
    sampleRate: fc.constantFrom('keep' as const, 8000, 16_000, 11_025),
    channels: fc.constantFrom('keep' as const, 'mono' as const),
    frameSamples: fc.integer({ min: 1, max: 400 }),
    unit: fc.constantFrom('frame' as const, 'stretch' as const),
    segmentSeconds: fc.constantFrom(0.01, 0.1, 10),
    pad: fc.boolean(),
  });

  it('segments tile the samples, in whole frames but for the last', async () => {
    await fc.assert(
      fc.asyncProperty(
        options,
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 3 }),
        async (wanted, count, channels) => {
          const wav = wavOf(
            Array.from({ length: channels }, () => tone(count, 22_050)),
            22_050,
          );
          const view = await cutSound(wav, wanted);
          const rate = typeof wanted.sampleRate === 'number' ? wanted.sampleRate : 22_050;
          const planes = wanted.channels === 'mono' ? 1 : channels;
          const frame = wanted.frameSamples ?? 160;
          const samples = Math.ceil((count * rate) / 22_050);
          const whole = wanted.pad === true ? Math.ceil(samples / frame) * frame : samples;
          expect(view.bytes).toHaveLength(2 * planes * whole);
          expect(view.segments.ends.at(-1)).toBe(2 * planes * whole);
          let at = 0;
          for (const [n, row] of rows(view).entries()) {
            expect(row).toMatchObject({
              start_sample: at,
              frame_index: at / frame,
              samples: row.bytes.length / 2 / planes,
            });
            if (n < view.segments.ends.length - 1) expect(row.bytes.length % (2 * planes * frame)).toBe(0);
            at += row.bytes.length / 2 / planes;
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  it('without resampling, segments are made of the bytes that their ranges name', async () => {
    const wav = wavOf([tone(1000), sine(700, 16_000, 1000)], 16_000);
    const view = await cutSound(wav, { ...AS_IT_IS, unit: 'frame' });
    for (const { bytes, origin } of rows(view))
      expect(Buffer.from(bytes)).toEqual(wav.subarray(origin?.[0], origin?.[1]));
    const mono = await cutSound(wav, { unit: 'frame' });
    expect(rows(mono).map(({ origin }) => origin)).toEqual(rows(view).map(({ origin }) => origin));
  });

  it('with resampling, or where samples have no bytes of their own, segments come of the whole file', async () => {
    expect((await cutSound(wavOf([tone(1000)], 16_000), { sampleRate: 8000 })).segments.origins).toBeUndefined();
    expect((await cutSound(fixture('flac.flac'), AS_IT_IS)).segments.origins).toBeUndefined();
  });
});

describe('mono', () => {
  it('is the mean of all channels', async () => {
    const [left, right, third] = [sine(300, 16_000, 900), sine(500, 16_000, 900), sine(900, 16_000, 900)];
    for (const channels of [[left], [left, right], [left, right, third]]) {
      const mean = left.map(
        (_, n) => (32_768 * channels.reduce((sum, plane) => sum + (plane[n] ?? 0), 0)) / channels.length,
      );
      expect(signalToNoise(await samplesOf(wavOf(channels, 16_000, 'f32')), mean)).toBeGreaterThan(85);
    }
  });

  it('of opposite channels is silence', async () => {
    const left = tone(800);
    expect(await samplesOf(wavOf([left, left.map((x) => -x)], 16_000, 'f32'))).toEqual(new Int16Array(800));
  });
});

describe('samples beyond 16 bits', () => {
  it('become the largest ones, and are counted', async () => {
    const loud = tone(1600).map((x) => 4 * x);
    const view = await cutSound(wavOf([loud], 16_000, 'f32'));
    const clipped = loud.reduce(
      (sum, x) => sum + (Math.round(x * 32_768) > 32_767 || Math.round(x * 32_768) < -32_768 ? 1 : 0),
      0,
    );
    expect(clipped).toBeGreaterThan(100);
    expect(view.segments.meta).toMatchObject({ clipped_samples: clipped });
    const samples = shorts(view.bytes ?? new Uint8Array(0));
    expect([Math.max(...samples), Math.min(...samples)]).toEqual([32_767, -32_768]);
  });
});

describe('options', () => {
  it.each<AudioOptions>([
    { sampleRate: 0 },
    { sampleRate: 16_000.5 },
    { sampleRate: 1e6 },
    { frameSamples: 0 },
    { segmentSeconds: 0 },
    { segmentSeconds: Number.POSITIVE_INFINITY },
    { maxSeconds: -1 },
    // as a pipeline file without types may have them
    { channels: 'stereo' as 'keep' },
    { unit: 'second' as 'frame' },
    { truncated: true as unknown as 'keep' },
    { pad: 1 as unknown as boolean },
  ])('%o is refused', (options) => {
    expect(() => settledAudio(options)).toThrow(PipelineError);
    expect(() => settledAudio(options)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});
