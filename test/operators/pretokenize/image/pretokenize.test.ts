import { describe, expect, it } from 'vitest';
import type { RecordError } from '../../../../src/errors.ts';
import { pull } from '../../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Segment } from '../../../../src/records.ts';
import { withRun } from '../../../../src/run/context.ts';
import { expected, fixture } from './support.ts';

interface Outcome {
  readonly segments: Segment[];
  readonly rejects: RecordError[];
}

/** Pictures of test/fixtures/media/image, or bytes with a name, through the operator and its processes. */
async function through(
  names: readonly (string | readonly [string, Uint8Array])[],
  options?: PretokenizeOptions,
): Promise<Outcome> {
  const segments: Segment[] = [];
  const rejects: RecordError[] = [];
  const documents = names.map((given) => {
    const [name, bytes] = typeof given === 'string' ? [given, fixture(given)] : given;
    return { id: name, source: { split: '00000', uri: name, position: { ordinal: 0 } }, bytes, meta: {} };
  });
  await new Promise<void>((resolve, reject) =>
    withRun({ reject: (_stage: string, error: RecordError) => void rejects.push(error) }, () =>
      pull(() => [documents])
        .pipe(pretokenize(options))
        .subscribe({ next: (segment) => segments.push(segment), error: reject, complete: resolve }),
    ),
  );
  return { segments, rejects };
}

describe('a picture', () => {
  it('becomes patches that stand for the whole record', async () => {
    const { segments, rejects } = await through(['rgb8.png'], { image: { localEntropy: true } });
    expect(rejects).toEqual([]);
    expect(segments.map(({ bytes, meta, ...segment }) => ({ ...segment, bytes: bytes.length, ...meta }))).toMatchObject(
      [
        { label: 'image_patch', index: 0, last: false, bytes: 768, x: 0, y: 0, width: 16, height: 11 },
        { label: 'image_patch', index: 1, last: true, bytes: 768, x: 16, y: 0, width: 3, height: 11 },
      ],
    );
    const [first, second] = segments;
    expect(first).toMatchObject({
      modality: 'image',
      mediaType: 'image/png',
      document: { id: 'rgb8.png', byteLength: fixture('rgb8.png').length },
      origin: { start: 0, end: fixture('rgb8.png').length, derived: expect.stringMatching(/^png -> rgb8 \(sharp /) },
      meta: { patch_size: 16, stride: 16, order: 'raster', channels: 3, frames: 1, image_width: 19, image_height: 11 },
    });
    expect(first?.meta['local_entropy']).toBeGreaterThan(second?.meta['local_entropy'] as number);
    // the first row of pixels: sixteen in the first patch, three in the second, then black
    expect(Buffer.from(first?.bytes.subarray(0, 48) ?? [])).toEqual(expected('rgb8.png').subarray(0, 48));
    expect(Buffer.from(second?.bytes.subarray(0, 48) ?? [])).toEqual(
      Buffer.concat([expected('rgb8.png').subarray(48, 57), Buffer.alloc(39)]),
    );
    expect(first?.meta).not.toHaveProperty('merge_count');
  });

  it('is cut as the options say, and passed as it is where they say that', async () => {
    const { segments } = await through(['rgb8.png'], { image: { unit: 'image', patchSize: 1 } });
    expect(segments.map(({ bytes }) => Buffer.from(bytes))).toEqual([expected('rgb8.png')]);
    const raw = await through(['rgb8.png'], { image: false });
    expect(Buffer.from(raw.segments[0]?.bytes ?? [])).toEqual(fixture('rgb8.png'));
    expect(raw.segments[0]?.origin).not.toHaveProperty('derived');
  });

  it('that is damaged, unknown or too large is one reject among good ones', async () => {
    const { segments, rejects } = await through(
      ['rgb24.bmp', ['cut.png', fixture('rgb8.png').subarray(0, 300)], 'not-decoded.psd', 'animated.gif', 'still.gif'],
      { image: { maxPixels: 300, frames: 'all' } },
    );
    expect(new Set(segments.map(({ document }) => document.id))).toEqual(new Set(['rgb24.bmp', 'still.gif']));
    expect(rejects.map(({ code, path }) => [path, code])).toEqual([
      ['cut.png', 'DAMAGED_FILE'],
      ['not-decoded.psd', 'UNDECODED'],
      ['animated.gif', 'IMAGE_TOO_LARGE'],
    ]);
  });

  it('is a drawing in SVG, whatever its name', async () => {
    const { segments, rejects } = await through([['drawing', fixture('shapes.svg')]], {
      image: { patchSize: 1, unit: 'image' },
    });
    expect(rejects).toEqual([]);
    expect(segments.map(({ bytes }) => Buffer.from(bytes))).toEqual([expected('shapes.svg')]);
    expect(segments[0]).toMatchObject({ modality: 'image', mediaType: 'image/svg+xml', label: 'image' });
  });

  it('that nothing decodes passes as its own bytes where that is wanted', async () => {
    const { segments, rejects } = await through(['not-decoded.psd'], { undecoded: 'keep' });
    expect(rejects).toEqual([]);
    expect(Buffer.concat(segments.map(({ bytes }) => bytes))).toEqual(fixture('not-decoded.psd'));
  });

  it('that takes too long to draw costs one record', async () => {
    const blur =
      '<filter id="f"><feGaussianBlur stdDeviation="900"/></filter><rect filter="url(#f)" width="6000" height="6000"/>';
    const slow = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="6000" height="6000">${blur}</svg>`);
    const { segments, rejects } = await through([['slow.svg', slow], 'rgb8.png'], {
      limits: { seconds: 1 },
    });
    expect(rejects.map(({ code, path }) => [path, code])).toEqual([['slow.svg', 'DECODE_TIME']]);
    expect(segments).toHaveLength(2);
  });
});
