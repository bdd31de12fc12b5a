import { Failure } from '../../../sources/failure.ts';

/** What a bitmap file says of itself, checked. */
export interface BmpHeader {
  readonly width: number;
  readonly height: number;
  /** Rows begin at the top of the picture; else at its bottom. */
  readonly topDown: boolean;
  /** 1, 4, 8, 16, 24 or 32 for each pixel. */
  readonly bits: number;
  /** Pixels are run-length encoded. */
  readonly runs: boolean;
  /** Red, green, blue and, where there is one, alpha: the bits of a pixel that hold it. */
  readonly masks: readonly number[] | undefined;
  /** Red, green and blue of each colour. */
  readonly palette: Uint8Array;
  /** Where the pixels begin. */
  readonly offset: number;
}

const FILE_HEADER = 14;
/** Lengths of the header behind it: OS/2 1, Windows 3 (and with masks of three or four fields), OS/2 2, Windows 4 and 5. */
const CORE = 12;
const OS2 = 64;
const LENGTHS: readonly number[] = [CORE, 40, 52, 56, OS2, 108, 124];

const RGB = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHA_BITFIELDS = 6;

const damaged = (message: string): Failure => new Failure('DAMAGED_FILE', message);
const undecoded = (what: string): Failure =>
  new Failure('UNDECODED', `bitmaps ${what} are not decoded`, 'Convert such pictures to PNG.');

/** @throws Failure `DAMAGED_FILE`, `UNDECODED` */
export function readHeader(bytes: Uint8Array): BmpHeader {
  if (bytes.length < FILE_HEADER + CORE) throw damaged('the bitmap ends within its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(14, true);
  if (!LENGTHS.includes(length)) throw undecoded(`with a header of ${length} bytes`);
  if (bytes.length < FILE_HEADER + length) throw damaged('the bitmap ends within its header');
  const core = length === CORE;
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const signed = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core ? RGB : view.getUint32(30, true);
  const height = Math.abs(signed);
  const topDown = signed < 0;
  if (width <= 0 || height === 0) throw damaged(`the bitmap says that it is ${width} x ${signed} pixels`);
  const runs = requireKind(bits, compression, length);
  if (runs && topDown) throw damaged('the bitmap has runs that begin at the top');
  const { masks, end } = readMasks(view, { bits, compression, length });
  const offset = view.getUint32(10, true);
  if (offset < end || offset > bytes.length) {
    throw damaged(`the bitmap says that its pixels begin at byte ${offset} of ${bytes.length}`);
  }
  const used = core ? 0 : view.getUint32(46, true);
  const palette = bits > 8 ? new Uint8Array(0) : readPalette(bytes, { bits, used, core, start: end, end: offset });
  return { width, height, topDown, bits, runs, masks, palette, offset };
}

/** Whether pixels are in runs. */
function requireKind(bits: number, compression: number, length: number): boolean {
  if (length === OS2 && compression > RLE4) throw undecoded(`of OS/2 with compression ${compression}`);
  if (compression === RLE8 && bits === 8) return true;
  if (compression === RLE4 && bits === 4) return true;
  const fields = compression === BITFIELDS || compression === ALPHA_BITFIELDS;
  const allowed = fields ? [16, 32] : compression === RGB ? [1, 4, 8, 16, 24, 32] : [];
  if (!allowed.includes(bits)) throw undecoded(`of ${bits} bits with compression ${compression}`);
  return false;
}

interface Kind {
  readonly bits: number;
  readonly compression: number;
  readonly length: number;
}

/** The masks of a pixel's samples, and where the header ends behind them. */
function readMasks(view: DataView, { bits, compression, length }: Kind): { masks: number[] | undefined; end: number } {
  const end = FILE_HEADER + length;
  if (compression !== BITFIELDS && compression !== ALPHA_BITFIELDS) {
    // 16 bits without masks are five each
    return { masks: bits === 16 ? [0x7c00, 0x3e0, 0x1f] : undefined, end };
  }
  const behind = length === 40;
  const count = behind ? (compression === ALPHA_BITFIELDS ? 4 : 3) : length === 52 ? 3 : 4;
  const start = FILE_HEADER + 40;
  if (start + 4 * count > view.byteLength) throw damaged('the bitmap ends within its masks');
  const masks = Array.from({ length: count }, (_, n) => view.getUint32(start + 4 * n, true));
  let taken = 0;
  for (const mask of masks) {
    const ones = mask === 0 ? 0 : mask >>> (31 - Math.clz32(mask & -mask));
    if ((ones & (ones + 1)) !== 0 || (mask & taken) !== 0 || (bits === 16 && mask > 0xffff)) {
      throw damaged('the bitmap has masks that overlap, have holes, or reach beyond a pixel');
    }
    taken |= mask;
  }
  return { masks: masks[3] === 0 ? masks.slice(0, 3) : masks, end: behind ? start + 4 * count : end };
}

interface PalettePlace {
  readonly bits: number;
  /** Colours that the header says there are; 0: as many as the bits can name. */
  readonly used: number;
  readonly core: boolean;
  readonly start: number;
  /** Where the pixels begin. */
  readonly end: number;
}

function readPalette(bytes: Uint8Array, { bits, used, core, start, end }: PalettePlace): Uint8Array {
  const step = core ? 3 : 4;
  const all = 1 << bits;
  if (used > all) throw damaged(`the bitmap says that it has ${used} colours, and ${bits} bits name ${all}`);
  // Old files name all colours and leave out those they do not need.
  const colours = Math.min(used === 0 ? all : used, Math.floor((end - start) / step));
  const palette = new Uint8Array(3 * colours);
  for (let n = 0; n < colours; n++) {
    const at = start + n * step;
    palette[3 * n] = bytes[at + 2] ?? 0;
    palette[3 * n + 1] = bytes[at + 1] ?? 0;
    palette[3 * n + 2] = bytes[at] ?? 0;
  }
  return palette;
}
