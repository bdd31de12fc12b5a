import { describe, expect, it } from 'vitest';
import type { VideoOptions } from '../../../../src/operators/pretokenize/video/options.ts';
import { isRefused } from '../../../../src/operators/pretokenize/view.ts';
import { HEIGHT, sourceFrame, WIDTH } from '../../../fixtures/media/video/source.ts';
import { cut, factsOf, fixture, framesOf, type How, only, programs, psnr } from './tools.ts';

const pictures = { audio: false, subtitles: false } as const;
const kept = (frames: VideoOptions['frames'] = {}): VideoOptions => ({
  ...pictures,
  frames: { size: 'keep', ...frames },
});

it('there is an ffmpeg to test with', () => expect(programs).not.toEqual([]));

describe.each(programs)('by %s', (program) => {
  it.each(['lossless.mkv', 'qtrle.mov', 'utvideo.avi'])(
    'frames of %s are those that it was made of, bit for bit',
    async (name) => {
      const view = await only(fixture(name), { program, ...kept({ every: 1 }) });
      const frames = framesOf(view);
      expect(frames).toHaveLength(25);
      for (const [n, frame] of frames.entries())
        expect(Buffer.from(frame).equals(sourceFrame(n)), `frame ${n}`).toBe(true);
      expect(factsOf(view, 'timestamp_ms')).toEqual(Array.from({ length: 25 }, (_, n) => 100 * n));
      expect(view.segments.meta).toMatchObject({ frame_width: WIDTH, frame_height: HEIGHT, source_width: WIDTH });
    },
  );

  it.each([
    ['h264.mp4', 'h264', 30],
    ['front.mp4', 'h264', 30],
    ['h265.mkv', 'hevc', 30],
    ['vp9.webm', 'vp9', 30],
    ['mpeg4.avi', 'mpeg4', 27],
    ['wmv2.wmv', 'wmv2', 27],
    ['flv1.flv', 'flv1', 27],
    ['theora.ogv', 'theora', 27],
    ['mpeg2.m2t', 'mpeg2video', 27],
  ])('one frame a second of %s', async (name, codec, least) => {
    const view = await only(fixture(name), { program, ...kept() });
    const frames = framesOf(view);
    const times = factsOf(view, 'timestamp_ms').map(Number);
    expect(frames).toHaveLength(3);
    expect(view.segments.labels).toEqual(['video_frame']);
    expect(view.segments.meta).toMatchObject({ video_codec: codec });
    expect(view.derived).toMatch(new RegExp(`^${codec} -> rgb8 32x24 \\(ffmpeg \\S+\\)$`));
    for (const [n, time] of times.entries()) {
      expect(Math.floor(time / 1000 + 1e-6)).toBe(n);
      const shown = sourceFrame(Math.min(24, Math.floor(time / 100 + 1e-6)));
      expect(psnr(frames[n] ?? new Uint8Array(0), shown), `frame ${n} at ${time}`).toBeGreaterThan(least);
    }
  });

  it('sound and subtitles are further views of the same record', async () => {
    const cuts = await cut(fixture('lossless.mkv'), { program });
    const [frames, sound, words] = cuts.map((one) => {
      if (isRefused(one)) throw new Error(one.message);
      return one;
    });
    expect(cuts.map(({ suffix }) => suffix)).toEqual(['', '#audio', '#subtitles']);
    expect([frames, sound, words].map((view) => view?.record)).toEqual(['', '', '']);
    expect([frames, sound, words].map((view) => view?.modality)).toEqual(['video', 'audio', 'text']);
    expect(frames?.bytes).toHaveLength(3 * 224 * 224 * 3);
    expect(frames?.segments.meta).toMatchObject({ duration_ms: 2500, frame_width: 224, frame_height: 224 });
    expect(sound?.derived).toMatch(/^flac -> pcm16le 16000 Hz mono \(ffmpeg \S+\)$/);
    expect(sound?.bytes).toHaveLength(2 * 40_000);
    const samples = new Int16Array(Uint8Array.from(sound?.bytes ?? []).buffer);
    for (let n = 0; n < 40_000; n += 97) {
      expect(Math.abs((samples[n] ?? 0) - 4096 * Math.sin((2 * Math.PI * 440 * n) / 16_000))).toBeLessThan(3);
    }
    expect(Buffer.from(words?.bytes ?? []).toString()).toBe('Hello there\nzwei Zeilen\nä 漢 😀\n42\n');
    expect(words?.segments.metas).toEqual([
      { cue: 0, start_ms: 100, end_ms: 900 },
      { cue: 1, start_ms: 1000, end_ms: 1500 },
      { cue: 2, start_ms: 1800, end_ms: 2400 },
    ]);
  });

  it.each(['h264.mp4', 'h265.mkv', 'vp9.webm'])('subtitles of %s are text, whatever they were', async (name) => {
    const cuts = await cut(fixture(name), { program, frames: false, audio: false });
    const [words] = cuts;
    if (words === undefined || isRefused(words)) throw new Error('there are none');
    expect(words.suffix).toBe('#subtitles');
    expect(Buffer.from(words.bytes ?? []).toString()).toBe('Hello there\nzwei Zeilen\nä 漢 😀\n42\n');
  });

  it('times are those of the file, however irregular', async () => {
    const view = await only(fixture('irregular.mkv'), { program, ...kept({ every: 1 }) });
    expect(factsOf(view, 'timestamp_ms')).toEqual([0, 40, 500, 510, 2000]);
    const twice = await only(fixture('irregular.mkv'), { program, ...kept({ fps: 2 }) });
    expect(factsOf(twice, 'timestamp_ms')).toEqual([0, 500, 2000]);
    expect(framesOf(twice).map((frame) => Buffer.from(frame).equals(sourceFrame(2)))).toEqual([false, true, false]);
  });

  it('frames are turned upright where the file says how', async () => {
    const view = await only(fixture('turned.mp4'), { program, ...kept() });
    expect(view.segments.meta).toMatchObject({ frame_width: HEIGHT, frame_height: WIDTH });
  });

  it('a container without pictures is sound', async () => {
    const [sound, ...others] = await cut(fixture('sound.mp4'), { program });
    expect(sound).toMatchObject({ suffix: '', modality: 'audio' });
    expect(others).toEqual([]);
  });
});

describe('which frames, and how large', () => {
  const timesOf = async (frames: VideoOptions['frames']): Promise<unknown[]> =>
    factsOf(await only(fixture('lossless.mkv'), kept(frames)), 'timestamp_ms');

  it('every n-th', async () => expect(await timesOf({ every: 7 })).toEqual([0, 700, 1400, 2100]));
  it('many a second', async () =>
    expect(await timesOf({ fps: 5 })).toEqual([0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800, 2000, 2200, 2400]));
  it('few a second', async () => expect(await timesOf({ fps: 0.5 })).toEqual([0, 2000]));
  it('more than there are: none is taken twice', async () => expect(await timesOf({ fps: 50 })).toHaveLength(25));

  it('key frames', async () => {
    const view = await only(fixture('h264.mp4'), kept({ keyFrames: true }));
    expect(factsOf(view, 'timestamp_ms')).toEqual([0, 1000, 2000]);
    expect(factsOf(view, 'key_frame')).toEqual([true, true, true]);
  });

  it.each([
    [16, 16, 12],
    [100, 100, 75],
    [[20, 10], 20, 10],
    ['keep', 32, 24],
  ] as const)('size %j', async (size, width, height) => {
    const view = await only(fixture('silent.mkv'), kept({ size }));
    expect(view.segments.meta).toMatchObject({ frame_width: width, frame_height: height });
    expect(view.bytes).toHaveLength(width * height * 3);
    expect(view.record).toBeUndefined();
  });

  it('patches, as of pictures, with the time of their frame', async () => {
    const view = await only(fixture('lossless.mkv'), kept({ every: 12, unit: 'patch', patches: { patchSize: 8 } }));
    expect(view.segments.labels).toEqual(['video_patch']);
    expect(view.segments.ends).toHaveLength(3 * 12);
    expect(factsOf(view, 'frame_index').filter((_, n) => n % 12 === 0)).toEqual([0, 1, 2]);
    expect(factsOf(view, 'timestamp_ms').filter((_, n) => n % 12 === 5)).toEqual([0, 1200, 2400]);
    const patch = view.bytes?.subarray(17 * 192, 18 * 192) ?? new Uint8Array(0);
    const whole = sourceFrame(12);
    // the 5th patch of the second frame: 8 pixels from the left and from the top
    for (let y = 0; y < 8; y++) {
      const row = 3 * ((8 + y) * WIDTH + 8);
      expect(Uint8Array.from(patch.subarray(24 * y, 24 * (y + 1)))).toEqual(whole.subarray(row, row + 24));
    }
  });

  it('the same bytes come of the same file', async () => {
    const [one, two] = [await only(fixture('h264.mp4'), pictures), await only(fixture('h264.mp4'), pictures)];
    expect(Buffer.compare(one.bytes ?? new Uint8Array(0), two.bytes ?? new Uint8Array(1))).toBe(0);
  });
});

describe('what is refused', () => {
  it.each<[string, How, string, string?]>([
    ['more frames than allowed', { ...kept({ every: 1 }), maxFrames: 24 }, 'VIDEO_TOO_LONG'],
    ['longer than allowed', { ...kept(), maxSeconds: 2 }, 'VIDEO_TOO_LONG'],
    ['longer than allowed, as sound', { frames: false, maxSeconds: 2 }, 'VIDEO_TOO_LONG'],
    [
      'longer than allowed, which only its frames tell',
      { ...kept({ every: 1 }), maxSeconds: 0.1 },
      'VIDEO_TOO_LONG',
      'three.y4m',
    ],
    ['too many bytes', { ...kept({ every: 1 }), limits: { decodedBytes: 50_000 } }, 'DECODED_TOO_LARGE'],
    ['without ffmpeg', { program: 'none' }, 'UNDECODED'],
    ['with something else', { program: process.execPath }, 'UNDECODED'],
    ['with nothing', { program: '/nowhere/ffmpeg' }, 'UNDECODED'],
  ])('%s', async (_what, options, code, name = 'lossless.mkv') => {
    await expect(cut(fixture(name), options)).rejects.toMatchObject({ name: 'Failure', code });
  });

  it('or cut off, by choice', async () => {
    const frames = await only(fixture('lossless.mkv'), { ...kept({ every: 1 }), maxFrames: 4, tooLong: 'cut' });
    expect(framesOf(frames)).toHaveLength(4);
    expect(frames.segments.meta).toMatchObject({ cut_off: true });
    const cuts = await cut(fixture('lossless.mkv'), { maxSeconds: 1, tooLong: 'cut' });
    expect(cuts.map((one) => (isRefused(one) ? one.code : one.segments.ends.at(-1)))).toEqual([150_528, 32_000, 12]);
  });

  it('wrong options, at once', async () => {
    const wrong: VideoOptions[] = [
      { frames: { fps: 0 } },
      { frames: { fps: Number.NaN } },
      { frames: { every: 1.5 } },
      { frames: { fps: 1, keyFrames: true } },
      { frames: { size: 0 } },
      { frames: { size: [224, 1e6] } },
      { frames: { patches: {} } },
      { maxFrames: 0 },
      { maxSeconds: -1 },
      { frames: false, audio: false, subtitles: false },
    ];
    for (const options of wrong) {
      await expect(cut(fixture('silent.mkv'), options), JSON.stringify(options)).rejects.toMatchObject({
        code: 'BAD_OPTION',
      });
    }
  });

  it('a view that cannot be had is one view less', async () => {
    const cuts = await cut(fixture('lossless.mkv'), {
      audio: { maxSeconds: 1 },
      frames: { size: 8 },
      subtitles: false,
    });
    expect(cuts.map((one) => (isRefused(one) ? `${one.suffix} ${one.code}` : one.suffix))).toEqual([
      '',
      '#audio AUDIO_TOO_LONG',
    ]);
  });
});
