import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ffmpeg as real } from '../video/tools.ts';
import { AS_IT_IS, cutSound, fixture, samplesOf, shorts } from './sounds.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Behaviour {
  /** A file of the fixtures. */
  readonly gives?: string;
  readonly says?: string;
  readonly code?: number;
}

let made = 0;

/** A program that calls itself ffmpeg, takes what it is given, and answers as it is told to. */
function ffmpeg({ gives, says, code = 0 }: Behaviour): string {
  made++;
  const path = join(folder, `ffmpeg-${made}`);
  const output = join(folder, `output-${made}`);
  writeFileSync(output, gives === undefined ? '' : fixture(gives));
  writeFileSync(
    path,
    [
      '#!/bin/sh',
      'for argument; do',
      `  if [ "$argument" = -version ]; then echo 'ffmpeg version 9.8.7 of the tests'; exit 0; fi`,
      'done',
      // its descriptor 3 is the file
      'test "$(head -c 4 /dev/fd/3 | od -An -tx1)" = " 00 00 00 1c" || exit 9',
      `cat '${output}'`,
      ...(says === undefined ? [] : [`echo '[error] ${says}' >&2`]),
      `exit ${code}`,
    ].join('\n'),
  );
  chmodSync(path, 0o755);
  return path;
}

const sound = fixture('aac.m4a');
const cut = (behaviour: Behaviour, options = AS_IT_IS) =>
  cutSound(sound, options, { mediaType: 'audio/x-m4a', ffmpeg: ffmpeg(behaviour) });

describe('what ffmpeg decodes', () => {
  it('becomes frames as all other sound, and names it with its version', async () => {
    const view = await cut({ gives: 'wav-piped.wav' });
    expect(shorts(view.bytes ?? new Uint8Array(0))).toEqual(await samplesOf(fixture('wav-pcm_s16le.wav'), AS_IT_IS));
    expect(view.derived).toBe('m4a -> pcm16le 22050 Hz 2 channels (ffmpeg 9.8.7)');
    expect(view.segments.meta).toMatchObject({
      decoder: 'ffmpeg 9.8.7',
      source_sample_rate: 22_050,
      source_channels: 2,
    });
    expect(view.segments.origins).toBeUndefined();
  });

  it('is mixed and resampled here', async () => {
    const view = await cut({ gives: 'wav-piped.wav' }, {});
    expect(view.derived).toBe('m4a -> pcm16le 16000 Hz mono (ffmpeg 9.8.7)');
    expect(shorts(view.bytes ?? new Uint8Array(0))).toEqual(await samplesOf(fixture('wav-pcm_s16le.wav')));
  });

  it('is refused where it complains, or taken where that is asked for', async () => {
    const behaviour = { gives: 'wav-piped.wav', says: 'Invalid data found', code: 1 };
    await expect(cut(behaviour)).rejects.toMatchObject({
      code: 'DAMAGED_FILE',
      message: expect.stringContaining('Invalid data found'),
    });
    const view = await cut(behaviour, { ...AS_IT_IS, truncated: 'keep' });
    expect(view.segments.meta['truncated']).toBe('ffmpeg says: Invalid data found');
  });

  it.each([
    [{ says: 'moov atom not found', code: 1 }, 'DAMAGED_FILE'],
    [{ code: 1 }, 'DAMAGED_FILE'],
    [{ says: 'Decoder (codec sipr) not found for input stream #0:0', code: 1 }, 'UNDECODED'],
    [{ says: 'Stream map 0:a:0 matches no streams.', code: 1 }, 'UNDECODED'],
  ] as const)('is nothing (%o): %s', async (behaviour, code) => {
    await expect(cut(behaviour)).rejects.toMatchObject({ code });
  });

  it('is too long where it lasts longer than is allowed', async () => {
    await expect(cut({ gives: 'wav-piped.wav' }, { maxSeconds: 0.001 })).rejects.toMatchObject({
      code: 'AUDIO_TOO_LONG',
    });
  });

  it('is not asked where a format is decoded here', async () => {
    const view = await cutSound(fixture('mp3.mp3'), {}, { ffmpeg: ffmpeg({ code: 1 }) });
    expect(view.derived).toContain('mpg123-decoder');
  });

  it.each([
    ['audio.avi', 'audio/vnd.avi'],
    ['audio.asf', 'audio/x-ms-wma'],
    ['audio.mkv', 'audio/matroska'],
    ['audio.mov', 'audio/mp4'],
    ['audio.mpegts', 'audio/mp2t'],
  ])('may stand in a container of video: %s', async (name, mediaType) => {
    const bytes = readFileSync(new URL(`../../../fixtures/media/detection/${name}`, import.meta.url));
    const view = await cutSound(bytes, {}, { mediaType, ffmpeg: real });
    expect(view.segments.labels).toEqual(['audio_segment']);
  });

  it('takes a program that is ffmpeg', async () => {
    await expect(cutSound(sound, {}, { ffmpeg: join(folder, 'nothing') })).rejects.toMatchObject({ code: 'UNDECODED' });
  });
});
