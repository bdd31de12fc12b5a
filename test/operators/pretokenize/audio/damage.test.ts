import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AudioOptions } from '../../../../src/operators/pretokenize/audio/options.ts';
import type { View } from '../../../../src/operators/pretokenize/view.ts';
import { Failure } from '../../../../src/sources/failure.ts';
import { AS_IT_IS, type CutOptions, cutSound, fixture, samplesOf, seeded, shorts, sine, wavOf } from './sounds.ts';

// decoders tell of damage there as well
beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

const DECODED = /\.(wav|aiff|caf|flac|oga|ogg|opus|mp3|mp2)$/;
const files = readdirSync(new URL('../../../fixtures/media/audio', import.meta.url)).filter(
  (name) => DECODED.test(name) && name !== 'wav-adpcm.wav',
);

/** A view, or the code of the failure; anything else is thrown. */
async function viewOrCode(bytes: Uint8Array, options?: AudioOptions, how?: CutOptions): Promise<View | string> {
  try {
    const view = await cutSound(bytes, options, how);
    expect(view.segments.ends.at(-1)).toBe(view.bytes?.length);
    return view;
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}

/** The code of the failure, or `undefined` where there are segments. */
async function outcome(...given: Parameters<typeof viewOrCode>): Promise<string | undefined> {
  const seen = await viewOrCode(...given);
  return typeof seen === 'string' ? seen : undefined;
}

/** The Ogg pages of a file with their checksums made right again. */
function resealed(file: Buffer): Buffer {
  for (let at = 0; at + 27 <= file.length && file.toString('latin1', at, at + 4) === 'OggS'; ) {
    const body = at + 27 + (file[at + 26] ?? 0);
    const end = file.subarray(at + 27, body).reduce((sum, bytes) => sum + bytes, body);
    if (end > file.length) break;
    file.writeUInt32LE(0, at + 22);
    let crc = 0;
    for (const byte of file.subarray(at, end)) {
      crc ^= byte << 24;
      for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
    }
    file.writeUInt32LE(crc >>> 0, at + 22);
    at = end;
  }
  return file;
}

describe('a file that ends too early', () => {
  it.each(files.filter((name) => name !== 'wav-piped.wav' && name !== 'mp2.mp2' && name !== 'mp3-bare.mp3'))(
    '(%s) is refused, wherever it ends before its last samples',
    async (name) => {
      const file = fixture(name);
      // behind the samples of some there is a byte that fills them up, or a tag
      const end = name === 'mp3-mono.mp3' ? file.length - 128 : file.length - 1;
      for (let n = 0; n < 25; n++) {
        const code = await outcome(file.subarray(0, Math.floor((end * n) / 25)));
        expect(['DAMAGED_FILE', 'UNDECODED']).toContain(code);
      }
    },
  );

  it.each([
    'wav-pcm_s24le.wav',
    'wav-piped.wav',
    'aiff-pcm_s16be.aiff',
    'caf-pcm_f32le.caf',
    'flac-frames.flac',
    'oggflac.oga',
    'mp3.mp3',
    'mp3-bare.mp3',
    'mp2.mp2',
    'vorbis.ogg',
    'opus.opus',
  ])('(%s) is taken as far as it goes where that is asked for, and says so', async (name) => {
    const file = fixture(name);
    const whole = await samplesOf(file, AS_IT_IS);
    let most = 0;
    for (let n = 1; n < 25; n++) {
      const cut = file.subarray(0, Math.floor((file.length * n) / 25));
      const view = await viewOrCode(cut, { ...AS_IT_IS, truncated: 'keep' });
      if (typeof view === 'string') {
        expect(['DAMAGED_FILE', 'EMPTY_DOCUMENT', 'UNDECODED']).toContain(view);
        continue;
      }
      const samples = shorts(view.bytes ?? new Uint8Array(0));
      // an encoder's filling at the end is known to a decoder that knows where the end is
      const sure = Math.min(whole.length, samples.length);
      expect(samples.subarray(0, sure)).toEqual(whole.subarray(0, sure));
      if (view.segments.meta['truncated'] === undefined)
        expect(['wav-piped.wav', 'mp2.mp2', 'mp3-bare.mp3']).toContain(name);
      expect(samples.length).toBeGreaterThanOrEqual(most);
      most = samples.length;
    }
    expect(most).toBeGreaterThan(0.6 * whole.length);
  });
});

describe('changed bytes', () => {
  it.each(files)('in %s: segments or a refusal', async (name) => {
    const random = seeded(name.length);
    const file = fixture(name);
    for (let n = 0; n < 25; n++) {
      const changed = Buffer.from(file);
      for (let k = 0; k < 3; k++) {
        const among = random() < 0.5 ? Math.min(200, file.length) : file.length;
        changed[Math.floor(random() * among)] = Math.floor(random() * 256);
      }
      await outcome(changed, { ...AS_IT_IS, truncated: n % 2 === 0 ? 'keep' : 'reject' });
    }
  });

  it.each(files.filter((name) => /\.(ogg|oga|opus)$/.test(name)))(
    'in %s, whose checksums are right all the same: segments or a refusal',
    async (name) => {
      const random = seeded(1 + name.length);
      const file = fixture(name);
      let refused = 0;
      for (let n = 0; n < 40; n++) {
        const changed = Buffer.from(file);
        for (let k = 0; k < 3; k++) {
          const among = random() < 0.5 ? Math.min(400, file.length) : file.length;
          changed[Math.floor(random() * among)] = Math.floor(random() * 256);
        }
        if ((await outcome(resealed(changed), AS_IT_IS)) !== undefined) refused++;
      }
      expect(refused).toBeGreaterThan(0);
    },
  );

  it.each(['flac-frames.flac', 'oggflac.oga', 'vorbis.ogg', 'opus.opus'])(
    'in the samples of %s are always found',
    async (name) => {
      const file = fixture(name);
      for (let n = 1; n < 20; n++) {
        const changed = Buffer.from(file);
        const at = file.length - 1 - n * 90;
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        expect(await outcome(changed)).toBe('DAMAGED_FILE');
      }
    },
  );

  it('between the frames of an MP3 file are found', async () => {
    const file = fixture('mp3-bare.mp3');
    const frame = Math.floor((576 * 125 * 48) / 22_050);
    expect(
      await outcome(
        Buffer.concat([file.subarray(0, 3 * frame + 1), Buffer.from('junk'), file.subarray(3 * frame + 1)]),
      ),
    ).toBe('DAMAGED_FILE');
  });
});

describe('bytes at random behind the beginning of a format', () => {
  it.each([
    'RIFF\u0000\u0000\u0000\u0000WAVE',
    'RIFF\u0010\u0000\u0000\u0000WAVEfmt ',
    'FORM\u0000\u0000\u0000\u0000AIFF',
    'FORM\u0000\u0000\u0000\u0000AIFCCOMM',
    'caff\u0000\u0001\u0000\u0000desc',
    'fLaC',
    'fLaC\u0000\u0000\u0000\u0022',
    'OggS',
    'OggS\u0000\u0002',
    'ID3',
    'ID3\u0004\u0000\u0000\u0000\u0000\u0000\u0010\u00ff\u00fb',
    '\u00ff\u00fb\u0090',
    '\u00ff\u00f1',
  ])('%j: a refusal', async (magic) => {
    const random = seeded(magic.length);
    for (let n = 0; n < 20; n++) {
      const noise = Buffer.from(Array.from({ length: 3000 }, () => Math.floor(random() * 256)));
      expect(['DAMAGED_FILE', 'UNDECODED', 'EMPTY_DOCUMENT']).toContain(
        await outcome(Buffer.concat([Buffer.from(magic, 'latin1'), noise])),
      );
    }
  });
});

describe('a header that claims what no sound has', () => {
  const wav = (change: (file: Buffer) => void): Buffer => {
    const file = wavOf([sine(440, 16_000, 1000)], 16_000);
    change(file);
    return file;
  };

  it.each([
    ['no samples a second', wav((file) => file.writeUInt32LE(0, 24))],
    ['four billion samples a second', wav((file) => file.writeUInt32LE(0xffff_ffff, 24))],
    ['no channels', wav((file) => file.writeUInt16LE(0, 22))],
    ['65,535 channels', wav((file) => file.writeUInt16LE(65_535, 22))],
    ['17 channels', wav((file) => file.writeUInt16LE(17, 22) && file.writeUInt16LE(34, 32))],
    ['no bits', wav((file) => file.writeUInt16LE(0, 34))],
    ['other bytes for all channels than they take', wav((file) => file.writeUInt16LE(3, 32))],
    ['4 GB of samples', wav((file) => file.writeUInt32LE(0xffff_fff0, 40))],
    ['a chunk of 4 GB before the samples', wav((file) => file.writeUInt32LE(0xffff_fff0, 16))],
    ['samples before their format', wav((file) => file.write('fmX ', 12, 'latin1'))],
  ])('(%s) is refused', async (_what, file) => {
    expect(await outcome(file)).toBe('DAMAGED_FILE');
  });

  it('(of a WAV file that is still being written) is that of all there is', async () => {
    const file = wav((bytes) => bytes.writeUInt32LE(0xffff_ffff, 40));
    expect(await samplesOf(file)).toHaveLength(1000);
  });

  it.each([[Number.NaN], [Number.POSITIVE_INFINITY]])('a sample that is %d is refused', async (value) => {
    expect(await outcome(wavOf([[0, 0.5, value, 0]], 16_000, 'f32'))).toBe('DAMAGED_FILE');
  });

  it('no samples at all are nothing to be cut', async () => {
    expect(await outcome(wavOf([[]], 16_000))).toBe('EMPTY_DOCUMENT');
  });
});

/** A FLAC file of silence: 14 bytes for each 65,535 samples. */
function silence(frames: number, told: boolean): Buffer {
  const samples = told ? 65_535 * frames : 0;
  const header = Buffer.alloc(42);
  header.write('fLaC', 'latin1');
  header.writeUInt32BE(0x8000_0022, 4);
  header.writeUInt16BE(65_535, 8);
  header.writeUInt16BE(65_535, 10);
  header.writeBigUInt64BE((44_100n << 44n) | (15n << 36n) | BigInt(samples), 18);
  const parts = [header];
  for (let n = 0; n < frames; n++) {
    const number =
      n < 0x80
        ? [n]
        : n < 0x800
          ? [0xc0 | (n >> 6), 0x80 | (n & 63)]
          : [0xe0 | (n >> 12), 0x80 | ((n >> 6) & 63), 0x80 | (n & 63)];
    const head = [0xff, 0xf8, 0x79, 0x08, ...number, 0xff, 0xfe];
    const frame = [...head, crc(head, 8, 0x07), 0, 0, 0];
    const check = crc(frame, 16, 0x8005);
    parts.push(Buffer.from([...frame, check >> 8, check & 0xff]));
  }
  return Buffer.concat(parts);
}

function crc(bytes: readonly number[], width: 8 | 16, polynomial: number): number {
  const top = 1 << (width - 1);
  let value = 0;
  for (const byte of bytes) {
    value ^= byte << (width - 8);
    for (let bit = 0; bit < 8; bit++)
      value = ((value & top) === 0 ? value << 1 : (value << 1) ^ polynomial) & (2 * top - 1);
  }
  return value;
}

describe('what would grow too large', () => {
  it('is silence of which a few bytes are a second and more', async () => {
    const samples = await samplesOf(silence(3, true), AS_IT_IS);
    expect(samples).toEqual(new Int16Array(3 * 65_535));
  });

  it.each([true, false])(
    'is refused before any of it is decoded (its header tells how long it is: %s)',
    async (told) => {
      // 10.4 hours in 370 kB
      const file = silence(25_000, told);
      const start = performance.now();
      expect(await outcome(file)).toBe('AUDIO_TOO_LONG');
      expect(await outcome(file, { maxSeconds: 1e9 })).toBe('DECODED_TOO_LARGE');
      expect(performance.now() - start).toBeLessThan(3000);
    },
  );

  it.each(['wav24.wav', 'flac.flac', 'mp3.mp3', 'vorbis.ogg', 'opus.opus'])(
    'or too long is refused (%s)',
    async (name) => {
      expect(await outcome(fixture(name), { maxSeconds: 0.01 })).toBe('AUDIO_TOO_LONG');
      expect(await outcome(fixture(name), {}, { decodedBytes: 300 })).toBe('DECODED_TOO_LARGE');
    },
  );
});

describe('frames of a sample each', () => {
  it('are refused where there would be too many of them', async () => {
    const wav = wavOf([sine(440, 16_000, 4000)], 16_000);
    const how = { decodedBytes: 100_000 };
    expect(await outcome(wav, {}, how)).toBeUndefined();
    expect(await outcome(wav, { unit: 'frame', frameSamples: 1 }, how)).toBe('DECODED_TOO_LARGE');
  });
});

describe('a format that nothing here decodes', () => {
  it.each(['aac.m4a', 'aac.aac', 'opus.webm', 'wav-adpcm.wav'])('(%s) says what would decode it', async (name) => {
    await expect(cutSound(fixture(name))).rejects.toMatchObject({
      code: 'UNDECODED',
      hint: expect.stringContaining('Install ffmpeg'),
    });
  });
});
