import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { jpegSize } from '../../../../src/operators/pretokenize/image/jpegSize.ts';
import { cut, expected, factOf, fixture, mediaTypeOf, pixels, refusal } from './support.ts';

const manifest = readFileSync(new URL('../../../../node_modules/sharp/package.json', import.meta.url), 'utf8');
const { version: sharpVersion } = JSON.parse(manifest) as { version: string };

async function decoded(name: string, options = {}): Promise<Buffer> {
  const bytes = fixture(name);
  return pixels(bytes, await mediaTypeOf(bytes, name), { frames: 'all', ...options });
}

const furthest = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? 0))), 0);

describe('pixels are those of ImageMagick', () => {
  it.each([
    'rgb8.png',
    'interlaced.png',
    'palette.png',
    'grey8.png',
    'grey1.png',
    'still.gif',
    'lossless.webp',
    'None.tiff',
    'LZW.tiff',
    'Zip.tiff',
    'RLE.tiff',
    'grey.tiff',
    'rgb24.bmp',
    'bgra.bmp',
    'palette8.bmp',
    'palette4.bmp',
    'mono.bmp',
    'rle8.bmp',
    'rgb565.bmp',
    'rgb555.bmp',
    'version4.bmp',
    'lossless.avif',
    'shapes.svg',
  ])('to the bit: %s', async (name) => {
    expect(await decoded(name)).toEqual(expected(name));
  });

  it('to the bit where transparent pixels are laid over white', async () => {
    for (const name of ['alpha.png', 'transparent.png', 'alpha.webp']) {
      expect(await decoded(name)).toEqual(expected(name));
    }
  });

  it('to the bit where transparency is taken off', async () => {
    expect(await decoded('alpha.png', { alpha: 'remove' })).toEqual(fixture('alpha.png.removed.rgb'));
  });

  it('to the bit for each of the eight orientations, and that of TIFF', async () => {
    for (let n = 1; n <= 8; n++) {
      const name = `orientation-${n}.jpg`;
      expect(await decoded(name)).toEqual(expected(name));
      const { segments } = await cut(fixture(name), 'image/jpeg');
      expect(segments.meta).toMatchObject(
        n < 5 ? { image_width: 19, image_height: 11 } : { image_width: 11, image_height: 19 },
      );
    }
    expect(await decoded('turned.tiff')).toEqual(expected('turned.tiff'));
  });

  it('to the bit for all frames of animations and all pages, of whatever size', async () => {
    for (const name of ['animated.gif', 'animated.webp', 'pages.tiff']) {
      expect(await decoded(name)).toEqual(expected(name));
    }
  });

  it('or the upper byte of 16 bits', async () => {
    expect(await decoded('rgb16.png')).toEqual(expected('rgb16.png'));
  });

  // lossy decoders may round otherwise; they do not here, but for AV1's conversion from YCbCr
  it.each([
    ['baseline.jpg', 1],
    ['progressive.jpg', 1],
    ['grey.jpg', 1],
    ['lossy.webp', 1],
    ['lossy.avif', 2],
    ['profile.png', 2],
  ])('within rounding: %s', async (name, most) => {
    const own = await decoded(name);
    expect(own).toHaveLength(expected(name).length);
    expect(furthest(own, expected(name))).toBeLessThanOrEqual(most);
  });

  it('of CMYK are near to those they were made from', async () => {
    const own = await decoded('cmyk.jpg');
    const plain = expected('rgb8.png');
    const mean = own.reduce((sum, value, at) => sum + Math.abs(value - (plain[at] ?? 0)), 0) / own.length;
    expect(own).toHaveLength(plain.length);
    expect(mean).toBeLessThan(60);
  });

  it('do not change with the profile of sRGB', async () => {
    const tagged = await sharp(fixture('rgb8.png')).withIccProfile('srgb').png().toBuffer();
    expect((await sharp(tagged).metadata()).hasProfile).toBe(true);
    expect(await pixels(tagged, 'image/png')).toEqual(expected('rgb8.png'));
  });

  it('change with an embedded colour profile', async () => {
    expect(furthest(await decoded('profile.png'), expected('rgb8.png'))).toBeGreaterThan(100);
  });
});

describe('transparent pixels', () => {
  it('show the background that is asked for', async () => {
    const white = await decoded('alpha.png');
    const black = await decoded('alpha.png', { background: [0, 0, 0] });
    const blue = await decoded('alpha.png', { background: [0, 0, 255] });
    // the first column is transparent, the last opaque
    expect([...white.subarray(0, 3)]).toEqual([255, 255, 255]);
    expect([...black.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect([...blue.subarray(0, 3)]).toEqual([0, 0, 255]);
    expect(white.subarray(54, 57)).toEqual(black.subarray(54, 57));
  });
});

describe('a decoder', () => {
  it('is named with its version, as is what it decoded', async () => {
    const png = await cut(fixture('rgb8.png'), 'image/png');
    expect(png.derived).toMatch(/^png -> rgb8 \(sharp \d+\.\d+\.\d+, libvips \d+\.\d+\.\d+\)$/);
    expect(png.derived).toContain(`sharp ${sharpVersion},`);
    expect(png.segments.meta['decoder']).toBe(png.derived?.slice('png -> rgb8 ('.length, -1));
    expect((await cut(fixture('rgb24.bmp'), 'image/bmp')).derived).toMatch(/^bmp -> rgb8 \(sluice /);
    expect((await cut(fixture('lossy.avif'), 'image/avif')).derived).toMatch(/^avif -> /);
  });

  it('takes HEIF for what it holds, whatever its brand', async () => {
    const bytes = fixture('lossless.avif');
    bytes.write('mif1', 8, 'latin1');
    const type = await mediaTypeOf(bytes, 'picture.heif');
    expect(type).toBe('image/heif');
    expect(await pixels(bytes, type)).toEqual(expected('lossless.avif'));
    expect((await cut(bytes, type)).derived).toMatch(/^heif -> rgb8/);
  });

  it('is there for no other format', async () => {
    for (const name of ['not-decoded.heic', 'not-decoded.ico', 'not-decoded.jp2', 'not-decoded.psd']) {
      const bytes = fixture(name);
      expect(await refusal(bytes, await mediaTypeOf(bytes, name))).toMatchObject({
        code: 'UNDECODED',
        hint: expect.stringContaining('Convert'),
      });
    }
  });
});

it('a TIFF with a compression that the library was built without is not damaged', async () => {
  const bytes = fixture('None.tiff');
  const tag = bytes.indexOf(Buffer.from([0x03, 0x01, 3, 0, 1, 0, 0, 0]));
  for (const compression of [50_000, 34_925]) {
    bytes.writeUInt16LE(compression, tag + 8);
    expect(await refusal(bytes, 'image/tiff')).toMatchObject({
      code: 'UNDECODED',
      hint: expect.stringContaining('PNG'),
    });
  }
});

describe('frames', () => {
  it('are the first one alone, and how many there are is told', async () => {
    for (const [name, total] of [
      ['animated.gif', 4],
      ['animated.webp', 4],
      ['pages.tiff', 3],
      ['rgb8.png', 1],
    ] as const) {
      const bytes = fixture(name);
      const { segments } = await cut(bytes, await mediaTypeOf(bytes, name));
      expect(segments.meta).toMatchObject({ frames: total, image_width: 19, image_height: 11 });
      expect(factOf(segments, 'frame')).toEqual([null, null]);
      expect(segments.ends).toHaveLength(2);
    }
  });

  it('are all of them in order, with the time that each is shown', async () => {
    const { segments } = await cut(fixture('animated.gif'), 'image/gif', { frames: 'all' });
    expect(factOf(segments, 'frame')).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(factOf(segments, 'delay_ms')).toEqual([0, 0, 50, 50, 70, 70, 1200, 1200]);
  });

  it('are as many as asked for', async () => {
    for (const name of ['animated.gif', 'pages.tiff']) {
      const bytes = fixture(name);
      const view = await cut(bytes, await mediaTypeOf(bytes, name), { frames: 'all', maxFrames: 2, patchSize: 1 });
      expect(Buffer.from(view.bytes)).toEqual(expected(name).subarray(0, 2 * 627));
    }
  });

  it('have sizes of their own where they differ', async () => {
    const { segments } = await cut(fixture('pages.tiff'), 'image/tiff', { frames: 'all' });
    expect(segments.meta).not.toHaveProperty('image_width');
    expect(factOf(segments, 'image_width')).toEqual([19, 19, 19, 19, 5]);
    expect(factOf(segments, 'image_height')).toEqual([11, 11, 11, 11, 7]);
  });
});

describe('SVG', () => {
  const drawn = (svg: string | Buffer, options = {}) => pixels(Buffer.from(svg), 'image/svg+xml', options);
  const root = 'svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
  const red = `<${root} width="3" height="2"><rect width="3" height="2" fill="red"/></svg>`;

  it('is drawn with one pixel for one unit, or at another density', async () => {
    expect([...(await drawn(red))]).toEqual(Array.from({ length: 6 }, () => [255, 0, 0]).flat());
    expect(await drawn(red, { svgDensity: 144 })).toHaveLength(6 * 4 * 3);
  });

  it('is found behind long comments, and in UTF-16', async () => {
    const comment = `<?xml version="1.0" encoding="UTF-8"?>\n<!-- ${'long '.repeat(400)} --> <!-- é -->\n`;
    expect(await drawn(comment + red)).toEqual(await drawn(red));
    const wide = Buffer.from(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${red}`, 'utf16le');
    expect(await drawn(wide)).toEqual(await drawn(red));
    expect(await drawn(Buffer.from(wide).swap16())).toEqual(await drawn(red));
  });

  it('takes nothing from outside itself', async () => {
    const file = new URL('../../../fixtures/media/image/rgb8.png', import.meta.url);
    const blank = await drawn(`<${root} width="19" height="11"/>`);
    for (const href of [file.href, file.pathname, 'rgb8.png', 'http://127.0.0.1:9/x.png']) {
      expect(
        await drawn(`<${root} width="19" height="11"><image width="19" height="11" xlink:href="${href}"/></svg>`),
      ).toEqual(blank);
    }
    const inside = `data:image/png;base64,${fixture('rgb8.png').toString('base64')}`;
    expect(
      await drawn(`<${root} width="19" height="11"><image width="19" height="11" xlink:href="${inside}"/></svg>`),
    ).toEqual(expected('rgb8.png'));
  });
});

describe('the header of a JPEG', () => {
  it('tells its size behind whatever comes before', async () => {
    for (const name of ['baseline.jpg', 'progressive.jpg', 'grey.jpg', 'cmyk.jpg', 'orientation-6.jpg']) {
      expect(jpegSize(fixture(name))).toEqual({ width: 19, height: 11 });
    }
    const bytes = fixture('baseline.jpg');
    const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0x40, 0x02]), Buffer.alloc(0x4000, 0xff)]);
    const longer = Buffer.concat([bytes.subarray(0, 2), comment, bytes.subarray(2)]);
    expect(jpegSize(longer)).toEqual({ width: 19, height: 11 });
    expect(await pixels(longer, 'image/jpeg')).toEqual(expected('baseline.jpg'));
  });

  it('is left to the decoder where bytes fill the space between its segments', async () => {
    const bytes = fixture('baseline.jpg');
    const filled = Buffer.concat([bytes.subarray(0, 2), Buffer.from([0xff, 0xff]), bytes.subarray(2)]);
    expect(jpegSize(filled)).toBeUndefined();
    expect(await pixels(filled, 'image/jpeg')).toEqual(expected('baseline.jpg'));
  });

  it('is none in other bytes', () => {
    for (const bytes of [[], [0xff, 0xd8], [0xff, 0xd8, 0xff], [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 0, 0, 0, 3]]) {
      expect(jpegSize(Uint8Array.from(bytes))).toBeUndefined();
    }
    expect(jpegSize(fixture('rgb8.png'))).toBeUndefined();
  });
});
