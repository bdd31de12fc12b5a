import { describe, expect, it } from 'vitest';
import { iterate, pull } from '../../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Segment } from '../../../../src/records.ts';
import { documentOf } from '../../../support/cuts.ts';
import { fixture, samplesOf } from './sounds.ts';

async function segments(names: readonly string[], options?: PretokenizeOptions): Promise<Segment[]> {
  const documents = names.map((name) => documentOf(fixture(name), name));
  const all: Segment[] = [];
  for await (const segment of iterate(pull(() => [documents]).pipe(pretokenize(options)))) all.push(segment);
  return all;
}

const bytesOf = (all: readonly Segment[]): Buffer => Buffer.concat(all.map(({ bytes }) => bytes));

describe('pretokenize', () => {
  it.each([
    ['wav-pcm_f32le.wav', 'audio/wav'],
    ['aiff-pcm_s16be.aiff', 'audio/aiff'],
    ['caf-pcm_s24le.caf', 'audio/x-caf'],
    ['flac.flac', 'audio/flac'],
    ['oggflac.oga', 'audio/ogg'],
    ['mp3.mp3', 'audio/mpeg'],
    ['mp3-bare.mp3', 'audio/mpeg'],
    ['mp2.mp2', 'audio/mpeg'],
    ['vorbis.ogg', 'audio/ogg'],
    ['opus.opus', 'audio/ogg'],
  ])('tells %s to be %s and cuts it', async (name, mediaType) => {
    const [segment, ...more] = await segments([name]);
    expect(more).toEqual([]);
    expect(segment).toMatchObject({ modality: 'audio', label: 'audio_segment', index: 0, last: true });
    expect(segment?.mediaType).toContain(mediaType);
    const samples = await samplesOf(fixture(name));
    expect(bytesOf(segment === undefined ? [] : [segment])).toEqual(Buffer.from(samples.buffer));
  });

  it('gives each frame its place and time', async () => {
    const all = await segments(['flac.flac'], { audio: { unit: 'frame', sampleRate: 'keep' } });
    expect(all).toHaveLength(25);
    for (const [n, { label, meta, index, last, origin, document }] of all.entries()) {
      expect({ label, index, last }).toEqual({ label: 'audio_frame', index: n, last: n === 24 });
      expect(meta).toMatchObject({ frame_index: n, start_sample: 160 * n, samples: 160, sample_rate: 22_050 });
      expect(meta['start_seconds']).toBeCloseTo((160 * n) / 22_050, 12);
      expect(origin).toMatchObject({ start: 0, end: document.byteLength });
      expect(origin.derived).toMatch(/^flac -> pcm16le 22050 Hz mono/);
    }
  });

  it('keeps bytes as they are where sound is not to be taken apart', async () => {
    const all = await segments(['mp3.mp3'], { audio: false });
    expect(all).toMatchObject([{ label: 'audio', origin: { start: 0, end: fixture('mp3.mp3').length } }]);
    expect(bytesOf(all)).toEqual(fixture('mp3.mp3'));
  });

  it('refuses options that are none', () => {
    expect(() => pretokenize({ audio: { rate: 16_000 } as never })).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_OPTION' }),
    );
    expect(() => pretokenize({ audio: { sampleRate: -1 } })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});
