import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { fitted } from '../../../../src/operators/pretokenize/image/fit.ts';
import { settledVideo } from '../../../../src/operators/pretokenize/video/options.ts';
import { cut, fixture } from './support.ts';

describe('a picture that is to fit', () => {
  it('keeps its aspect within half a pixel, and grows never', () => {
    const side = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 4096 }), (width, height, fit) => {
        const size = fitted({ width, height }, fit);
        expect(Math.max(size.width, size.height)).toBe(Math.min(fit, Math.max(width, height)));
        const factor = Math.min(1, fit / Math.max(width, height));
        expect(Math.abs(size.width - width * factor)).toBeLessThanOrEqual(size.width === 1 ? 1 : 0.5);
        expect(Math.abs(size.height - height * factor)).toBeLessThanOrEqual(size.height === 1 ? 1 : 0.5);
      }),
    );
    expect(fitted({ width: 300, height: 7 }, 0)).toEqual({ width: 300, height: 7 });
  });

  it('is scaled as sharp scales it, and says so', async () => {
    const raw = { width: 300, height: 200, channels: 3 } as const;
    const pixels = Buffer.from(Array.from({ length: 300 * 200 * 3 }, (_, i) => (i * 7919) >> 8));
    const png = await sharp(pixels, { raw }).png().toBuffer();
    const view = await cut(png, 'image/png', { fit: 60, unit: 'image', patchSize: 20 }, { decodedBytes: 20_000 });
    const small = await sharp(pixels, { raw }).resize(60, 40).raw().toBuffer();
    const patches = Array.from({ length: 6 }, (_, patch) =>
      Array.from({ length: 20 }, (_, y) => {
        const at = (((patch / 3) | 0) * 20 + y) * 180 + (patch % 3) * 60;
        return [...small.subarray(at, at + 60)];
      }),
    );
    expect([...view.bytes]).toEqual(patches.flat(2));
    expect(view.segments.meta).toMatchObject({ image_width: 60, image_height: 40 });
    expect(view.derived).toMatch(/^png -> rgb8 within 60 \(sharp /);
    await expect(cut(png, 'image/png', {}, { decodedBytes: 20_000 })).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
  });

  it('is what it is where it fits already', async () => {
    const whole = await cut(fixture('rgb8.png'), 'image/png');
    const fitting = await cut(fixture('rgb8.png'), 'image/png', { fit: 19 });
    expect(fitting).toEqual(whole);
  });

  it('is a picture file: frames have sizes of their own', () => {
    const code = 'BAD_OPTION';
    expect(() => settledVideo({ frames: { unit: 'patch', patches: { fit: 100 } } })).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
