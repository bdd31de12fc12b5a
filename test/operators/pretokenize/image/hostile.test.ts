import { crc32, deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fixture, mediaTypeOf, pixels, refusal } from './support.ts';

const KNOWN = /^(DAMAGED_FILE|UNDECODED|IMAGE_TOO_LARGE|DECODED_TOO_LARGE)$/;

function chunk(type: string, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/** A black picture of one bit a pixel, which takes next to nothing as a file. */
function png(width: number, height: number, extra: readonly Buffer[] = []): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const data = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...extra,
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const svg = (body: string, size = 'width="19" height="11"', before = ''): Buffer =>
  Buffer.from(
    `${before}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ${size}>${body}</svg>`,
  );

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

describe('a picture that is too large', () => {
  it('is refused before it is decoded', async () => {
    const bomb = png(30_000, 30_000);
    let failure: Awaited<ReturnType<typeof refusal>>;
    const took = await milliseconds(async () => {
      failure = await refusal(bomb, 'image/png');
    });
    expect(failure).toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: 'the picture has 900000000 pixels, and 50000000 are allowed',
      hint: expect.stringContaining('maxPixels'),
    });
    expect(took).toBeLessThan(1000);
    expect(await refusal(bomb, 'image/png', { maxPixels: 1_000_000_000 })).toMatchObject({ code: 'DECODED_TOO_LARGE' });
  });

  it('in one direction is refused for that', async () => {
    expect(await refusal(png(70_000, 1), 'image/png')).toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      hint: expect.stringContaining('maxSide'),
    });
    expect(await refusal(png(1, 300), 'image/png', { maxSide: 299 })).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(await refusal(png(1, 300), 'image/png', { maxSide: 300 })).toBeUndefined();
  });

  it('in its patches is refused where they overlap too often', async () => {
    expect(await refusal(png(2000, 2000), 'image/png', { stride: 1 })).toMatchObject({ code: 'DECODED_TOO_LARGE' });
    expect(await refusal(png(100, 100), 'image/png', {}, { decodedBytes: 30_000 })).toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
  });

  it('in all its frames together is refused, and passes with its first', async () => {
    for (const name of ['animated.gif', 'animated.webp', 'pages.tiff']) {
      const bytes = fixture(name);
      const type = await mediaTypeOf(bytes, name);
      expect(await refusal(bytes, type, { frames: 'all', maxPixels: 300 })).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
      expect(await refusal(bytes, type, { frames: 'first', maxPixels: 300 })).toBeUndefined();
    }
  });

  it('by what its header says is refused, in every format', async () => {
    const gif = fixture('still.gif');
    // both the screen and the frame, which begins behind the colours, at byte 5 of its block
    gif.writeUInt32LE(0xea60_ea60, 6);
    gif.writeUInt32LE(0xea60_ea60, gif.indexOf(Buffer.from([0x2c, 0, 0, 0, 0, 19, 0, 11, 0])) + 5);
    expect(await refusal(gif, 'image/gif')).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    const jpeg = fixture('baseline.jpg');
    jpeg.fill(0xff, jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 5, jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 9);
    expect((await refusal(jpeg, 'image/jpeg'))?.code).toMatch(KNOWN);
    expect(await refusal(svg('', 'width="60000" height="60000"'), 'image/svg+xml')).toMatchObject({
      code: 'IMAGE_TOO_LARGE',
    });
    expect(await refusal(svg('', 'width="1e30" height="1e30"'), 'image/svg+xml')).toMatchObject({
      code: 'DAMAGED_FILE',
    });
  });

  it('is not one that has much beside its pixels', async () => {
    const text = chunk('zTXt', Buffer.concat([Buffer.from('k\0\0'), deflateSync(Buffer.alloc(200 << 20))]));
    const profile = chunk('iCCP', Buffer.concat([Buffer.from('p\0\0'), deflateSync(Buffer.alloc(200 << 20))]));
    for (const extra of [text, profile]) {
      const before = process.memoryUsage().rss;
      expect((await refusal(png(8, 8, [extra]), 'image/png'))?.code ?? 'DAMAGED_FILE').toMatch(KNOWN);
      expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20);
    }
  });
});

describe('a picture with no room for a patch', () => {
  it('is refused where patches must lie within it', async () => {
    expect(await refusal(fixture('rgb8.png'), 'image/png', { edges: 'crop' })).toMatchObject({
      code: 'IMAGE_TOO_SMALL',
    });
    expect(await refusal(fixture('rgb8.png'), 'image/png', { edges: 'crop', patchSize: 11 })).toBeUndefined();
  });
});

describe('SVG', () => {
  it('with entities that grow, or stand for files, is refused', async () => {
    const entities = Array.from({ length: 12 }, (_, n) => `<!ENTITY a${n + 1} "${`&a${n};`.repeat(10)}">`).join('');
    const laughs = svg('<text y="9">&a12;</text>', undefined, `<!DOCTYPE svg [<!ENTITY a0 "lol">${entities}]>`);
    expect(await refusal(laughs, 'image/svg+xml')).toMatchObject({ code: 'DAMAGED_FILE' });
    const outside = svg(
      '<text y="9">&x;</text>',
      undefined,
      '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    );
    expect(await refusal(outside, 'image/svg+xml')).toMatchObject({ code: 'DAMAGED_FILE' });
  });

  it('has no text of other files', async () => {
    const include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="file:///etc/hostname"/>';
    expect(await pixels(svg(`<text y="9">${include}</text>`), 'image/svg+xml')).toEqual(
      await pixels(svg(''), 'image/svg+xml'),
    );
  });

  it.each([
    ['nothing', ''],
    ['no root', '<svgx/>'],
    ['half a tag', '<svg xmlns="http://www.w3.org/2000/svg" width="3"'],
    ['no size', '<svg xmlns="http://www.w3.org/2000/svg"></svg>'],
    [
      'a comment without end',
      `<!-- ${'x'.repeat(2000)} <svg xmlns="http://www.w3.org/2000/svg" width="3" height="3"/>`,
    ],
  ])('of %s is refused', async (_what, text) => {
    expect(await refusal(Buffer.from(`${text} `), 'image/svg+xml')).toMatchObject({ code: 'DAMAGED_FILE' });
  });
});

describe('a picture that is cut off', () => {
  it.each([
    'rgb8.png',
    'interlaced.png',
    'palette.png',
    'baseline.jpg',
    'progressive.jpg',
    'still.gif',
    'animated.gif',
    'animated.webp',
    'lossless.webp',
    'lossy.webp',
    'alpha.webp',
    'LZW.tiff',
    'Zip.tiff',
    'pages.tiff',
    'lossy.avif',
  ])('anywhere is refused: %s', async (name) => {
    const bytes = fixture(name);
    const type = await mediaTypeOf(bytes, name);
    const step = Math.max(1, Math.floor(bytes.length / 120));
    for (let length = 1; length < bytes.length; length += step) {
      const failure = await refusal(bytes.subarray(0, length), type, { frames: 'all', patchSize: 8 });
      expect(failure?.code, `${length} of ${bytes.length} bytes`).toBe('DAMAGED_FILE');
    }
  });

  it('says so in one line', async () => {
    const failure = await refusal(fixture('baseline.jpg').subarray(0, 600), 'image/jpeg');
    expect(failure?.message).toMatch(/^the picture cannot be decoded: [^\n]+$/);
  });
});

describe('a picture with changed bytes', () => {
  it.each([
    'rgb8.png',
    'baseline.jpg',
    'animated.gif',
    'animated.webp',
    'LZW.tiff',
    'pages.tiff',
    'lossy.avif',
    'shapes.svg',
  ])('is patches or a Failure: %s', async (name) => {
    const good = fixture(name);
    const type = await mediaTypeOf(good, name);
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 120; round++) {
      const bytes = Buffer.from(good);
      for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256);
      const failure = await refusal(bytes, type, { frames: 'all', maxPixels: 1_000_000 });
      if (failure !== undefined) expect(failure.code).toMatch(KNOWN);
    }
  });

  it('of another kind than it begins like is damaged', async () => {
    expect(await refusal(fixture('rgb8.png'), 'image/jpeg')).toMatchObject({ code: 'DAMAGED_FILE' });
    for (const type of [
      'image/jpeg',
      'image/png',
      'image/gif',
      'image/webp',
      'image/tiff',
      'image/avif',
      'image/bmp',
    ]) {
      const noise = Buffer.from(Array.from({ length: 500 }, (_, n) => Math.imul(n + 1, 2654435761) >>> 24));
      expect((await refusal(noise, type))?.code).toMatch(/^(DAMAGED_FILE|UNDECODED)$/);
    }
  });

  it('whose pages lead back to the first is refused', async () => {
    const bytes = fixture('pages.tiff');
    const little = bytes[0] === 0x49;
    const u32 = (at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
    const first = u32(4);
    const next = first + 2 + 12 * (little ? bytes.readUInt16LE(first) : bytes.readUInt16BE(first));
    if (little) bytes.writeUInt32LE(first, next);
    else bytes.writeUInt32BE(first, next);
    expect(await refusal(bytes, 'image/tiff', { frames: 'all' })).toMatchObject({ code: 'DAMAGED_FILE' });
  });
});

describe('animated PNG', () => {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(3);
  const animated = png(20, 20, [chunk('acTL', control)]);

  it('gives its still picture, and not less than what was asked for', async () => {
    expect(await refusal(animated, 'image/apng')).toBeUndefined();
    expect(await refusal(animated, 'image/apng', { frames: 'all' })).toMatchObject({
      code: 'UNDECODED',
      hint: expect.stringContaining("frames: 'first'"),
    });
  });
});

describe('samples that have no one way to become 8 bits', () => {
  it('are not decoded', async () => {
    // one pixel of 32 bits floating point, as TIFF 6.0 has it
    const entries = [
      [256, 3, 1, 1],
      [257, 3, 1, 1],
      [258, 3, 1, 32],
      [259, 3, 1, 1],
      [262, 3, 1, 1],
      [273, 4, 1, 8],
      [277, 3, 1, 1],
      [278, 3, 1, 1],
      [279, 4, 1, 4],
      [339, 3, 1, 3],
    ] as const;
    const file = Buffer.alloc(12 + 2 + 12 * entries.length + 4);
    file.write('II*\0', 'latin1');
    file.writeUInt32LE(12, 4);
    file.writeFloatLE(0.5, 8);
    file.writeUInt16LE(entries.length, 12);
    for (const [n, [tag, type, count, value]] of entries.entries()) {
      const at = 14 + 12 * n;
      file.writeUInt16LE(tag, at);
      file.writeUInt16LE(type, at + 2);
      file.writeUInt32LE(count, at + 4);
      file.writeUInt32LE(value, at + 8);
    }
    expect(await refusal(file, 'image/tiff')).toMatchObject({
      code: 'UNDECODED',
      message: expect.stringContaining('float'),
    });
  });
});
