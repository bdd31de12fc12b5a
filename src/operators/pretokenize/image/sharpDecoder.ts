import type { Sharp, SharpOptions } from 'sharp';
import { Failure } from '../../../sources/failure.ts';
import { animatedPngFrames, requireWhole } from './completeness.ts';
import { jpegSize } from './jpegSize.ts';
import type { ImageSettings } from './options.ts';
import { type Announce, type Frame, type Picture, requireSizes, type Size } from './picture.ts';
import { plainSvg } from './svg.ts';

/** A format that sharp's prebuilt libvips decodes. */
interface SharpFormat {
  readonly format: string;
  /** What sharp calls it. */
  readonly loader: string;
}

const FORMATS: Readonly<Record<string, SharpFormat>> = {
  'image/jpeg': { format: 'jpeg', loader: 'jpeg' },
  'image/png': { format: 'png', loader: 'png' },
  'image/apng': { format: 'png', loader: 'png' },
  'image/gif': { format: 'gif', loader: 'gif' },
  'image/webp': { format: 'webp', loader: 'webp' },
  'image/tiff': { format: 'tiff', loader: 'tiff' },
  'image/avif': { format: 'avif', loader: 'heif' },
  'image/heif': { format: 'heif', loader: 'heif' },
  'image/heic': { format: 'heif', loader: 'heif' },
  'image/svg+xml': { format: 'svg', loader: 'svg' },
};

export const sharpFormat = (mediaType: string): SharpFormat | undefined =>
  Object.hasOwn(FORMATS, mediaType) ? FORMATS[mediaType] : undefined;

/** The header is read whatever size it tells; that is judged before anything else is read. */
const HEADER: SharpOptions = { limitInputPixels: false };

type Library = typeof import('sharp')['default'];
let loaded: Promise<Library> | undefined;

/** @throws Failure `UNDECODED` where it is not installed */
export function loadSharp(): Promise<Library> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Library> {
  let sharp: Library;
  try {
    ({ default: sharp } = await import('sharp'));
  } catch (cause) {
    loaded = undefined;
    throw new Failure('UNDECODED', 'pictures need the optional package sharp', 'npm install sharp', cause);
  }
  // A process decodes one record after another, and never the same one twice.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

/**
 * Decodes JPEG, PNG, GIF, WebP, AVIF, TIFF and SVG to sRGB, 8 bits a sample: embedded colour profiles and EXIF orientation
 * applied, grey repeated three times, the upper byte of 16 bits.
 *
 * @throws Failure `UNDECODED`, `DAMAGED_FILE`, `IMAGE_TOO_LARGE`, and what `announce` throws
 */
export async function decodeWithSharp(
  record: Uint8Array,
  known: SharpFormat,
  settings: ImageSettings,
  announce: Announce,
): Promise<Picture> {
  const sharp = await loadSharp();
  const bytes = known.loader === 'svg' ? plainSvg(record) : record;
  const open = (options: SharpOptions = {}): Sharp =>
    sharp(bytes, {
      limitInputPixels: settings.maxPixels,
      failOn: 'warning',
      sequentialRead: true,
      ...(known.loader === 'svg' ? { density: settings.svgDensity } : {}),
      ...options,
    });
  const from: From = { known, settings, open, announce };
  const first = (known.loader === 'jpeg' ? jpegHeader(bytes) : undefined) ?? (await headerOf(0, from));
  requireWhole(bytes, known.loader);
  const { pages } = first;
  const total = known.loader === 'png' ? (animatedPngFrames(bytes) ?? pages) : pages;
  const taken = settings.frames === 'all' ? Math.min(total, settings.maxFrames) : 1;
  if (taken > pages) {
    throw new Failure(
      'UNDECODED',
      `of the ${total} frames of the animated PNG its still picture alone is decoded`,
      "Take that with pretokenize({ image: { frames: 'first' } }).",
    );
  }
  // Frames of an animation build on each other and are of one size; what TIFF and HEIF hold are pictures of their own.
  const animated = total > 1 && known.loader !== 'tiff' && known.loader !== 'heif';
  const frames = animated ? await framesOf(first, taken, from) : await pagesOf(first, taken, from);
  const { sharp: wrapper, vips } = sharp.versions;
  return { frames, total, format: known.format, decoder: `sharp ${wrapper}, libvips ${vips}` };
}

interface From {
  readonly known: SharpFormat;
  readonly settings: ImageSettings;
  readonly open: (options?: SharpOptions) => Sharp;
  readonly announce: Announce;
}

interface Header {
  /** Frames or pages that there are. */
  readonly pages: number;
  /** As it lies in the file. */
  readonly size: Size;
  /** As it is shown; absent where that is not known. */
  readonly shown?: Size | undefined;
  /** Milliseconds that each frame is shown. */
  readonly delay?: readonly number[] | undefined;
}

function jpegHeader(bytes: Uint8Array): Header | undefined {
  const size = jpegSize(bytes);
  return size === undefined ? undefined : { pages: 1, size };
}

/** @throws Failure `DAMAGED_FILE`, `UNDECODED` where samples are of a kind that has no one way to become 8 bits */
async function headerOf(page: number, { open, known }: From): Promise<Header> {
  const metadata = await open(page === 0 ? HEADER : { page, ...HEADER })
    .metadata()
    .catch((error: Error) => {
      throw damaged(error, known.format);
    });
  const { format, depth, space, pages = 1, width, height, autoOrient, delay } = metadata;
  if (format !== known.loader) {
    throw new Failure('DAMAGED_FILE', `the file begins like ${known.format} and is ${format}`);
  }
  const wide = depth === 'ushort' && (space === 'rgb16' || space === 'grey16');
  if (depth !== 'uchar' && !wide) {
    throw new Failure('UNDECODED', `samples of kind ${depth} in colour space ${space} are not decoded`);
  }
  return { pages, size: { width, height }, shown: autoOrient, delay };
}

/** Frames of an animation, which have no orientation. */
async function framesOf({ size, delay }: Header, taken: number, from: From): Promise<Frame[]> {
  const { settings, open, announce } = from;
  const { width, height } = size;
  const sizes = Array.from({ length: taken }, () => size);
  requireSizes(sizes, settings);
  announce(sizes);
  const { rgb } = await pixelsOf(open({ pages: taken }), { width, height: height * taken }, from);
  const bytes = width * height * 3;
  return sizes.map((_, index) => ({
    ...size,
    rgb: rgb.subarray(index * bytes, (index + 1) * bytes),
    delay: delay?.[index],
  }));
}

async function pagesOf(first: Header, taken: number, from: From): Promise<Frame[]> {
  const { settings, open, announce } = from;
  const headers = [first];
  for (let page = 1; page < taken; page++) headers.push(await headerOf(page, from));
  // turned or not, a picture has as many pixels and patches
  const sizes = headers.map(({ size, shown = size }) => shown);
  requireSizes(sizes, settings);
  announce(sizes);
  const frames: Frame[] = [];
  for (const [page, { size, shown }] of headers.entries()) {
    const one = taken === 1 ? open() : open({ page });
    const frame = await pixelsOf(one.autoOrient(), shown, from);
    if (shown === undefined) requireSame(sides(frame), sides(size));
    frames.push(frame);
  }
  return frames;
}

/** What libvips says of good files that it was built without, or that are of a rare kind. */
const LACKING = /compression support is not configured|bad labq format/;
const CONVERT = 'Convert such pictures to PNG or JPEG.';

function damaged(error: Error, format: string): Failure {
  // HEIF may hold AV1, or, as most do, HEVC, which prebuilt libraries leave out; from outside they look alike
  if (format === 'heif') {
    return new Failure('UNDECODED', 'nothing here decodes this HEIF', CONVERT, error);
  }
  // libvips tells all that went wrong, a line each
  const [message = 'no reason is given'] = error.message.split('\n');
  if (LACKING.test(error.message)) {
    return new Failure('UNDECODED', `nothing here decodes this ${format}: ${message}`, CONVERT, error);
  }
  return new Failure('DAMAGED_FILE', `the picture cannot be decoded: ${message}`, undefined, error);
}

/**
 * @param expected what the header says of it, where it says that
 * @throws Failure `DAMAGED_FILE`, `UNDECODED`
 */
async function pixelsOf(image: Sharp, expected: Size | undefined, { settings, known }: From): Promise<Frame> {
  const { alpha, background } = settings;
  const [r, g, b] = background;
  const opaque = alpha === 'flatten' ? image.flatten({ background: { r, g, b } }) : image.removeAlpha();
  const { data, info } = await opaque
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((error: Error) => {
      throw damaged(error, known.format);
    });
  const { width, height, channels } = info;
  if (channels !== 3) {
    throw new Failure('UNDECODED', `${known.format} of this kind becomes ${channels} channels, not three`);
  }
  if (expected !== undefined) requireSame([width, height], [expected.width, expected.height]);
  return { width, height, rgb: data };
}

/** The sides of a picture that may have been turned, the longer one first. */
const sides = ({ width, height }: Size): readonly number[] => [Math.max(width, height), Math.min(width, height)];

function requireSame(own: readonly number[], said: readonly number[]): void {
  if (own.every((side, n) => side === said[n])) return;
  const message = `the header says ${said.join(' x ')} pixels, and there are ${own.join(' x ')}`;
  throw new Failure('DAMAGED_FILE', message);
}
