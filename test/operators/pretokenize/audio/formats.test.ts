import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AS_IT_IS, cutSound, fixture, samplesOf, shorts, signalToNoise } from './sounds.ts';

const source = shorts(fixture('source.s16'));
const beginning = source.subarray(0, 300);

const named = (pattern: RegExp): string[] =>
  readdirSync(new URL('../../../fixtures/media/audio', import.meta.url)).filter((name) => pattern.test(name));

const furthest = (a: Int16Array, b: Int16Array): number =>
  a.reduce((most, value, n) => Math.max(most, Math.abs(value - (b[n] ?? 0))), 0);

describe('files without loss, as they are, hold what went into them', () => {
  const exact = [
    ...named(/^wav-pcm_[sf].*\.wav$/),
    ...named(/^(aiff|caf)-pcm_[sf].*[0-9][0-9].*\.(aiff|caf)$/),
    'wav-rf64.wav',
    'wav-piped.wav',
    'wav-rifx.wav',
  ];

  it('and there are as many as there should be', () => expect(exact).toHaveLength(21));

  it.each(exact)('%s: every sample', async (name) => {
    expect(await samplesOf(fixture(name), AS_IT_IS)).toEqual(beginning);
  });

  it.each(['flac.flac', 'flac-frames.flac', 'oggflac.oga'])('%s: every sample', async (name) => {
    expect(await samplesOf(fixture(name), AS_IT_IS)).toEqual(source);
  });

  it.each([...['wav-pcm_u8.wav', 'wav-pcm_alaw.wav', 'wav-pcm_mulaw.wav', 'flac8.flac', 'flac6.flac']])(
    '%s: every sample that ffmpeg finds',
    async (name) => {
      const expected = shorts(fixture(name.replace(/\.\w+$/, '.s16')));
      expect(await samplesOf(fixture(name), AS_IT_IS)).toEqual(expected);
    },
  );

  it.each([
    ['wav-pcm_alaw.s16', 'aiff-pcm_alaw.aiff'],
    ['wav-pcm_alaw.s16', 'caf-pcm_alaw.caf'],
    ['wav-pcm_mulaw.s16', 'aiff-pcm_mulaw.aiff'],
    ['wav-pcm_mulaw.s16', 'caf-pcm_mulaw.caf'],
    ['wav-pcm_u8.s16', 'aiff-pcm_s8.aiff'],
    ['wav-pcm_u8.s16', 'caf-pcm_s8.caf'],
  ])('%s: as %s', async (expected, name) => {
    expect(await samplesOf(fixture(name), AS_IT_IS)).toEqual(shorts(fixture(expected)));
  });

  it.each(['wav24.wav', 'flac24.flac'])(
    '%s: within a bit where 24 are rounded, and ffmpeg cuts them off',
    async (name) => {
      const samples = await samplesOf(fixture(name), AS_IT_IS);
      const expected = shorts(fixture(name.replace(/\.\w+$/, '.s16')));
      expect(samples).toHaveLength(expected.length);
      expect(furthest(samples, expected)).toBe(1);
    },
  );
});

describe('files with loss are as long as they should be, and as ffmpeg decodes them', () => {
  it.each([
    // name, samples, channels, least signal to noise in dB
    ['mp3.mp3', 4000, 2, 95],
    ['mp3-bare.mp3', 5184, 2, 95],
    ['mp3-mono.mp3', 2000, 1, 95],
    ['mp2.mp2', 4608, 2, 80],
    ['vorbis.ogg', 4000, 2, 100],
    ['vorbis6.ogg', 600, 6, 100],
    ['opus.opus', 8708, 2, 75],
    ['opus-voice.opus', 8709, 1, 75],
    ['opus6.opus', 1524, 6, 75],
  ] as const)('%s: %i samples of %i channels within %i dB', async (name, count, channels, decibels) => {
    const view = await cutSound(fixture(name), AS_IT_IS);
    const samples = shorts(view.bytes ?? new Uint8Array(0));
    expect(samples).toHaveLength(count * channels);
    expect(view.segments.meta).toMatchObject({ channels, source_channels: channels, clipped_samples: 0 });
    // ffmpeg leaves some silence of encoders at the end of short files
    const expected = shorts(fixture(name.replace(/\.\w+$/, '.s16')));
    expect(expected.length).toBeGreaterThanOrEqual(samples.length);
    expect(signalToNoise(samples, expected)).toBeGreaterThan(decibels);
    expect(furthest(samples, expected)).toBeLessThanOrEqual(2);
  });
});

describe('a view', () => {
  it.each([
    ['wav-pcm_s24le.wav', /^wav pcm_s24le -> pcm16le 16000 Hz mono \(sluice \d+\.\d+\.\d+\)$/],
    ['aiff-pcm_s16be.aiff', /^aiff pcm_s16be -> pcm16le 16000 Hz mono \(sluice/],
    ['caf-pcm_f64be.caf', /^caf pcm_f64be -> pcm16le 16000 Hz mono \(sluice/],
    ['flac.flac', /^flac -> pcm16le 16000 Hz mono \(@wasm-audio-decoders\/flac \d+\.\d+\.\d+\)$/],
    ['oggflac.oga', /^ogg flac -> pcm16le 16000 Hz mono \(@wasm-audio-decoders\/flac/],
    ['mp3.mp3', /^mp3 -> pcm16le 16000 Hz mono \(mpg123-decoder \d/],
    ['mp2.mp2', /^mp2 -> pcm16le 16000 Hz mono \(mpg123-decoder \d/],
    ['vorbis.ogg', /^ogg vorbis -> pcm16le 16000 Hz mono \(@wasm-audio-decoders\/ogg-vorbis \d/],
    ['opus.opus', /^ogg opus -> pcm16le 16000 Hz mono \(opus-decoder \d/],
  ])('of %s says how it was derived', async (name, derived) => {
    const view = await cutSound(fixture(name));
    expect(view.derived).toMatch(derived);
    expect(view.derived).toContain(`(${view.segments.meta['decoder']})`);
    expect(view).toMatchObject({ suffix: '', modality: 'audio', mediaType: 'audio/x' });
  });

  it('tells what the file was', async () => {
    expect((await cutSound(fixture('opus.opus'))).segments.meta).toMatchObject({
      sample_rate: 16_000,
      channels: 1,
      frame_samples: 160,
      source_sample_rate: 48_000,
      source_channels: 2,
      clipped_samples: 0,
    });
  });

  it('is the same again', async () => {
    for (const name of ['flac.flac', 'mp3.mp3', 'vorbis.ogg', 'opus.opus']) {
      expect(await cutSound(fixture(name))).toEqual(await cutSound(fixture(name)));
    }
  });
});

describe('gains and orders of channels', () => {
  /** Changes the gain of an Opus file (Q7.8, in decibels), and makes its first page whole again. */
  function withGain(file: Buffer, decibels: number): Buffer {
    const changed = Buffer.from(file);
    changed.writeInt16LE(decibels * 256, 28 + 16);
    changed.writeUInt32LE(0, 22);
    let crc = 0;
    for (const byte of changed.subarray(0, 28 + 19)) {
      crc ^= byte << 24;
      for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
    }
    changed.writeUInt32LE(crc >>> 0, 22);
    return changed;
  }

  it('of Opus are applied', async () => {
    const loud = await samplesOf(fixture('opus.opus'), AS_IT_IS);
    const quiet = await samplesOf(withGain(fixture('opus.opus'), -20), AS_IT_IS);
    expect(
      signalToNoise(
        quiet,
        Float64Array.from(loud, (sample) => sample / 10),
      ),
    ).toBeGreaterThan(60);
  });

  it.each(['vorbis6.ogg', 'opus6.opus', 'flac6.flac'])('of %s are those of WAV files', async (name) => {
    const samples = await samplesOf(fixture(name), AS_IT_IS);
    const power = (channel: number) =>
      samples.reduce((sum, value, n) => (n % 6 === channel ? sum + value ** 2 : sum), 0);
    // the third was made half as loud as the first, the fifth its opposite
    expect(power(2) / power(0)).toBeGreaterThan(0.15);
    expect(power(2) / power(0)).toBeLessThan(0.4);
    expect(power(4) / power(0)).toBeCloseTo(1, 0);
  });
});
