import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandRle } from '../../../../src/operators/pretokenize/image/bmpRle.ts';
import { fixture, pixels, refusal } from './support.ts';

interface Bitmap {
  readonly width: number;
  /** Negative where rows begin at the top. */
  readonly height: number;
  readonly bits: number;
  readonly compression?: number;
  readonly header?: number;
  /** Blue, green, red and 0 of each colour; in OS/2's first format without the 0. */
  readonly palette?: Uint8Array;
  readonly masks?: readonly number[];
  readonly used?: number;
  readonly data: Uint8Array;
}

/** Writes a bitmap file as its header's fields say it (Windows GDI, BITMAPINFOHEADER and its kin). */
function bitmap({ width, height, bits, compression = 0, header = 40, used = 0, ...rest }: Bitmap): Buffer {
  const { palette = new Uint8Array(0), masks = [], data } = rest;
  const behind = header === 40 ? 4 * masks.length : 0;
  const offset = 14 + header + behind + palette.length;
  const file = Buffer.alloc(offset + data.length);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(offset, 10);
  file.writeUInt32LE(header, 14);
  if (header === 12) {
    file.writeUInt16LE(width, 18);
    file.writeUInt16LE(height, 20);
    file.writeUInt16LE(1, 22);
    file.writeUInt16LE(bits, 24);
  } else {
    file.writeInt32LE(width, 18);
    file.writeInt32LE(height, 22);
    file.writeUInt16LE(1, 26);
    file.writeUInt16LE(bits, 28);
    file.writeUInt32LE(compression, 30);
    file.writeUInt32LE(used, 46);
    for (const [n, mask] of masks.entries()) file.writeUInt32LE(mask, 54 + 4 * n);
  }
  file.set(palette, 14 + header + behind);
  file.set(data, offset);
  return file;
}

const decoded = (file: Uint8Array, options = {}): Promise<Buffer> => pixels(file, 'image/bmp', options);

/** Rows of values of so many bits, the first one at the top of a byte, filled up to words. */
function packed(rows: readonly (readonly number[])[], bits: number): Buffer {
  return Buffer.concat(
    rows.map((row) => {
      const line = Buffer.alloc(Math.ceil((row.length * bits) / 32) * 4);
      for (const [x, value] of row.entries()) {
        if (bits < 8) {
          const at = (x * bits) >> 3;
          line[at] = (line[at] ?? 0) | (value << (8 - bits - ((x * bits) & 7)));
        } else line.writeUIntLE(value, (x * bits) / 8, bits / 8);
      }
      return line;
    }),
  );
}

const picture = (most: number): fc.Arbitrary<number[][]> =>
  fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 6 })).chain(([width, height]) =>
    fc.array(fc.array(fc.integer({ min: 0, max: most }), { minLength: width, maxLength: width }), {
      minLength: height,
      maxLength: height,
    }),
  );

const sizeOf = (rows: readonly (readonly number[])[]) => ({ width: rows[0]?.length ?? 0, height: rows.length });

describe('a bitmap', () => {
  it('of 1, 4 or 8 bits has the colours of its palette, from the bottom or from the top', async () => {
    for (const bits of [1, 4, 8]) {
      await fc.assert(
        fc.asyncProperty(picture(2 ** bits - 1), fc.boolean(), fc.boolean(), async (rows, topDown, core) => {
          const colours = Array.from({ length: 2 ** bits }, (_, n) => [n, 255 - n, (n * 7) % 256]);
          const { width, height } = sizeOf(rows);
          const upsideDown = topDown && !core;
          const file = bitmap({
            width,
            height: upsideDown ? -height : height,
            bits,
            header: core ? 12 : 40,
            palette: Uint8Array.from(colours.flatMap((bgr) => (core ? bgr : [...bgr, 0]))),
            data: packed(upsideDown ? rows : rows.toReversed(), bits),
          });
          expect([...(await decoded(file))]).toEqual(rows.flat().flatMap((n) => colours[n]?.toReversed() ?? []));
        }),
        { numRuns: 30 },
      );
    }
  });

  it('of 24 or 32 bits holds blue, green and red', async () => {
    for (const bits of [24, 32]) {
      await fc.assert(
        fc.asyncProperty(picture(2 ** bits - 1), async (rows) => {
          const file = bitmap({ ...sizeOf(rows), bits, data: packed(rows.toReversed(), bits) });
          const rgb = rows.flat().flatMap((value) => [(value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
          expect([...(await decoded(file))]).toEqual(rgb);
        }),
        { numRuns: 30 },
      );
    }
  });

  it('with bit fields has its samples where its masks are', async () => {
    const shared = { width: 2, height: 1, bits: 32, compression: 3 };
    const data = packed([[0x3ff00000, 0x000ffc00]], 32);
    const masks = [0x3ff00000, 0x000ffc00, 0x3ff];
    expect([...(await decoded(bitmap({ ...shared, masks, data })))]).toEqual([255, 0, 0, 0, 255, 0]);
    // 16 bits: white, the darkest red, the darkest green
    const small = bitmap({
      width: 3,
      height: 1,
      bits: 16,
      compression: 3,
      masks: [0xf800, 0x7e0, 0x1f],
      data: packed([[0xffff, 0x0800, 0x20]], 16),
    });
    expect([...(await decoded(small))]).toEqual([255, 255, 255, 8, 0, 0, 0, 4, 0]);
  });

  it('is transparent where its header has a mask for that, unless nothing would be left', async () => {
    const shared = { width: 2, height: 1, bits: 32, compression: 3, header: 56 };
    const masks = [0xff0000, 0xff00, 0xff, 0xff000000];
    const half = bitmap({ ...shared, masks, data: packed([[0x80_00_00_00, 0xff_40_00_00]], 32) });
    expect([...(await decoded(half))]).toEqual([127, 127, 127, 64, 0, 0]);
    expect([...(await decoded(half, { alpha: 'remove' }))]).toEqual([0, 0, 0, 64, 0, 0]);
    const none = bitmap({ ...shared, masks, data: packed([[0x00_10_20_30, 0x00_40_50_60]], 32) });
    expect([...(await decoded(none))]).toEqual([0x10, 0x20, 0x30, 0x40, 0x50, 0x60]);
  });
});

describe('run-length encoding', () => {
  const eight = { width: 6, height: 3, bits: 8 };

  it('knows runs, literal pixels, ends of lines, and steps over pixels', () => {
    const data = Uint8Array.from([
      ...[6, 7, 0, 0],
      ...[0, 3, 1, 2, 3, 0, 2, 9, 0, 0],
      ...[1, 5, 0, 2, 3, 0, 2, 4, 0, 1],
    ]);
    expect([...expandRle(data, eight)]).toEqual([7, 7, 7, 7, 7, 7, 1, 2, 3, 9, 9, 0, 5, 0, 0, 0, 4, 4]);
  });

  it('of four bits alternates two colours', () => {
    const data = Uint8Array.from([5, 0x12, 0, 0, 0, 5, 0x34, 0x56, 0x70, 0, 0, 1]);
    expect([...expandRle(data, { width: 5, height: 2, bits: 4 })]).toEqual([1, 2, 1, 2, 1, 3, 4, 5, 6, 7]);
  });

  it('may fill a row up to whole words, and go no further', () => {
    const six = (count: number) => Uint8Array.from([count, 7, 0, 1]);
    expect([...expandRle(six(8), { ...eight, height: 1 })]).toEqual([7, 7, 7, 7, 7, 7]);
    expect(() => expandRle(six(9), { ...eight, height: 1 })).toThrow(expect.objectContaining({ code: 'DAMAGED_FILE' }));
  });

  it.each([
    ['nothing', []],
    ['half of a run', [3]],
    ['no end', [3, 1, 0, 0]],
    ['a row too many', [0, 0, 0, 0, 0, 0, 1, 1, 0, 1]],
    ['a step out of the picture', [0, 2, 0, 200, 1, 1, 0, 1]],
    ['literal pixels that are not there', [0, 6, 1, 2]],
  ])('is damaged where it has %s', (_what, data) => {
    expect(() => expandRle(Uint8Array.from(data), eight)).toThrow(expect.objectContaining({ code: 'DAMAGED_FILE' }));
  });
});

describe('a bitmap is refused', () => {
  const good = bitmap({ width: 4, height: 4, bits: 24, data: new Uint8Array(48) });
  const changed = (change: (file: Buffer) => void): Buffer => {
    const file = Buffer.from(good);
    change(file);
    return file;
  };

  it.each<[string, Buffer, string]>([
    ['cut off in its header', good.subarray(0, 30), 'DAMAGED_FILE'],
    ['cut off in its pixels', good.subarray(0, -1), 'DAMAGED_FILE'],
    ['of no width', changed((file) => file.writeInt32LE(0, 18)), 'DAMAGED_FILE'],
    ['of negative width', changed((file) => file.writeInt32LE(-4, 18)), 'DAMAGED_FILE'],
    ['of no height', changed((file) => file.writeInt32LE(0, 22)), 'DAMAGED_FILE'],
    ['of the least height there is', changed((file) => file.writeInt32LE(-(2 ** 31), 22)), 'IMAGE_TOO_LARGE'],
    [
      'of too many pixels',
      changed((file) => file.fill(Buffer.from([0x30, 0x75, 0, 0, 0x30, 0x75, 0, 0]), 18, 26)),
      'IMAGE_TOO_LARGE',
    ],
    ['of a million pixels that are not there', changed((file) => file.writeInt32LE(500_000 / 8, 18)), 'DAMAGED_FILE'],
    ['with pixels before the end of its header', changed((file) => file.writeUInt32LE(20, 10)), 'DAMAGED_FILE'],
    ['with pixels behind its end', changed((file) => file.writeUInt32LE(2 ** 32 - 1, 10)), 'DAMAGED_FILE'],
    ['with a header of unknown length', changed((file) => file.writeUInt32LE(41, 14)), 'UNDECODED'],
    ['of 2 bits', changed((file) => file.writeUInt16LE(2, 28)), 'UNDECODED'],
    ['with a JPEG in it', changed((file) => file.writeUInt32LE(4, 30)), 'UNDECODED'],
    ['with runs of 24 bits', changed((file) => file.writeUInt32LE(1, 30)), 'UNDECODED'],
    [
      'with a colour that its palette lacks',
      bitmap({ width: 1, height: 1, bits: 8, used: 2, palette: new Uint8Array(8), data: Uint8Array.of(2, 0, 0, 0) }),
      'DAMAGED_FILE',
    ],
    [
      'with more colours than bits name',
      bitmap({ width: 1, height: 1, bits: 4, used: 17, palette: new Uint8Array(68), data: new Uint8Array(4) }),
      'DAMAGED_FILE',
    ],
    [
      'with masks that overlap',
      bitmap({ width: 1, height: 1, bits: 32, compression: 3, masks: [0xff, 0x1ff, 0], data: new Uint8Array(4) }),
      'DAMAGED_FILE',
    ],
    [
      'with a mask with holes',
      bitmap({ width: 1, height: 1, bits: 32, compression: 3, masks: [0b101, 0, 0], data: new Uint8Array(4) }),
      'DAMAGED_FILE',
    ],
    [
      'with runs from the top',
      bitmap({
        width: 4,
        height: -4,
        bits: 8,
        compression: 1,
        palette: new Uint8Array(1024),
        data: Uint8Array.of(0, 1),
      }),
      'DAMAGED_FILE',
    ],
  ])('%s', async (_what, file, code) => {
    expect(await refusal(file, 'image/bmp')).toMatchObject({ code });
  });

  it('wherever it is cut off before its last pixel', async () => {
    for (const name of ['rgb24.bmp', 'palette4.bmp', 'mono.bmp', 'rle8.bmp', 'rgb565.bmp']) {
      const file = fixture(name);
      for (let length = 2; length < file.length - 3; length++) {
        expect(await refusal(file.subarray(0, length), 'image/bmp'), `${name}: ${length}`).toBeDefined();
      }
    }
  });

  it('or decoded, whatever its bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('rgb24.bmp', 'palette8.bmp', 'rle8.bmp', 'rgb555.bmp', 'version4.bmp'),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        async (name, changes) => {
          const file = fixture(name);
          for (const [at, value] of changes) file[at % Math.min(file.length, 140)] = value;
          const failure = await refusal(file, 'image/bmp', { patchSize: 4 });
          if (failure !== undefined)
            expect(failure.code).toMatch(/^(DAMAGED_FILE|UNDECODED|IMAGE_TOO_LARGE|DECODED_TOO_LARGE)$/);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
