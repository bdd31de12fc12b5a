import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { Failure } from '../../../sources/failure.ts';
import { animatedPngFrames, requireWhole } from './completeness.ts';
import type { ImageSettings } from './options.ts';
import { type Announce, type Frame, type Picture, requireSizes, type Size } from './picture.ts';
import { plainSvg } from './svg.ts';

/** What sharp calls the formats that its prebuilt libvips decodes. */
const FORMATS: Readonly<Record<string, { readonly format: string; readonly loader: string }>> = {
  'image/jpeg': { format: 'jpeg', loader: 'jpeg' },
  'image/png': { format: 'png', loader: 'png' },
  'image/apng': { format: 'png', loader: 'png' },
  'image/gif': { format: 'gif', loader: 'gif' },
  'image/webp': { format: 'webp', loader: 'webp' },
  'image/tiff': { format: 'tiff', loader: 'tiff' },
  'image/avif': { format: 'avif', loader: 'heif' },
  'image/heif': { format: 'avif', loader: 'heif' },
  'image/heic': { format: 'avif', loader: 'heif' },
  'image/svg+xml': { format: 'svg', loader: 'svg' },
};

export const isSharpType = (mediaType: string): boolean => Object.hasOwn(FORMATS, mediaType);

/** The header is read whatever size it tells; that is judged before anything else is read. */
const HEADER: SharpOptions = { limitInputPixels: false };

type Library = typeof import('sharp')['default'];
let loaded: Promise<Library> | undefined;

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
  mediaType: string,
  settings: ImageSettings,
  announce: Announce,
): Promise<Picture> {
  const known = FORMATS[mediaType];
  if (known === undefined) throw new Failure('UNDECODED', `nothing here decodes ${mediaType}`);
  loaded ??= load();
  const sharp = await loaded;
  const bytes = known.loader === 'svg' ? plainSvg(record) : record;
  const open = (options: SharpOptions = {}): Sharp =>
    sharp(bytes, {
      limitInputPixels: settings.maxPixels,
      failOn: 'warning',
      sequentialRead: true,
      ...(known.loader === 'svg' ? { density: settings.svgDensity } : {}),
      ...options,
    });
  const first = await metadataOf(open(HEADER), mediaType);
  if (first.format !== known.loader) {
    throw new Failure('DAMAGED_FILE', `the file begins like ${known.format} and is ${first.format}`);
  }
  requireWhole(bytes, known.loader);
  const { pages = 1 } = first;
  const total = known.loader === 'png' ? (animatedPngFrames(bytes) ?? pages) : pages;
  const taken = settings.frames === 'all' ? Math.min(total, settings.maxFrames) : 1;
  if (taken > pages) {
    throw new Failure(
      'UNDECODED',
      `of the ${total} frames of the animated PNG its still picture alone is decoded`,
      "Take that with pretokenize({ image: { frames: 'first' } }).",
    );
  }
  const from = { known, mediaType, settings, open, announce };
  // Frames of an animation build on each other and are of one size; what TIFF and HEIF hold are pictures of their own.
  const animated = total > 1 && known.loader !== 'tiff' && known.loader !== 'heif';
  const frames = animated ? await framesOf(first, taken, from) : await pagesOf(first, taken, from);
  const { sharp: wrapper, vips } = sharp.versions;
  return { frames, total, format: known.format, decoder: `libvips ${vips}, sharp ${wrapper}` };
}

interface From {
  readonly known: { readonly format: string };
  readonly mediaType: string;
  readonly settings: ImageSettings;
  readonly open: (options?: SharpOptions) => Sharp;
  readonly announce: Announce;
}

/** Frames of an animation, which have no orientation. */
async function framesOf(first: Metadata, taken: number, from: From): Promise<Frame[]> {
  const { settings, open, announce } = from;
  const { width, height, delay } = first;
  const sizes = Array.from({ length: taken }, () => ({ width, height }));
  requireSizes(sizes, settings);
  announce(sizes);
  const rgb = await pixelsOf(open({ pages: taken }), from, { width, height: height * taken });
  const bytes = width * height * 3;
  return sizes.map((size, index) => ({
    ...size,
    rgb: rgb.subarray(index * bytes, (index + 1) * bytes),
    delay: delay?.[index],
  }));
}

async function pagesOf(first: Metadata, taken: number, from: From): Promise<Frame[]> {
  const { settings, open, announce, mediaType } = from;
  const sizes: Size[] = [first.autoOrient];
  for (let page = 1; page < taken; page++) {
    sizes.push((await metadataOf(open({ page, ...HEADER }), mediaType)).autoOrient);
  }
  requireSizes(sizes, settings);
  announce(sizes);
  const frames: Frame[] = [];
  for (const [page, { width, height }] of sizes.entries()) {
    const one = taken === 1 ? open() : open({ page });
    const rgb = await pixelsOf(one.autoOrient(), from, { width, height });
    frames.push({ width, height, rgb });
  }
  return frames;
}

/** @throws Failure `DAMAGED_FILE`, `UNDECODED` where samples are of a kind that has no one way to become 8 bits */
async function metadataOf(image: Sharp, mediaType: string): Promise<Metadata> {
  const metadata = await image.metadata().catch((error: Error) => {
    // most files of this kind are HEVC, which prebuilt libraries leave out
    if (mediaType === 'image/heic' || mediaType === 'image/heif') throw undecoded(mediaType, error);
    throw damaged(error);
  });
  const { format, compression, depth, space } = metadata;
  if (format === 'heif' && compression !== 'av1') throw undecoded(mediaType);
  const wide = depth === 'ushort' && (space === 'rgb16' || space === 'grey16');
  if (depth !== 'uchar' && !wide) {
    throw new Failure('UNDECODED', `samples of kind ${depth} in colour space ${space} are not decoded`);
  }
  return metadata;
}

const undecoded = (mediaType: string, cause?: Error): Failure =>
  new Failure('UNDECODED', `nothing here decodes ${mediaType}`, 'Convert such pictures to PNG or JPEG.', cause);

function damaged(error: Error): Failure {
  // libvips tells all that went wrong, a line each
  const [message = 'no reason is given'] = error.message.split('\n');
  return new Failure('DAMAGED_FILE', `the picture cannot be decoded: ${message}`, undefined, error);
}

/** @throws Failure `DAMAGED_FILE`, `UNDECODED` */
async function pixelsOf(image: Sharp, { settings, known }: From, expected: Size): Promise<Uint8Array> {
  const { alpha, background } = settings;
  const [r, g, b] = background;
  const opaque = alpha === 'flatten' ? image.flatten({ background: { r, g, b } }) : image.removeAlpha();
  const { data, info } = await opaque
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((error: Error) => {
      throw damaged(error);
    });
  if (info.channels !== 3) {
    throw new Failure('UNDECODED', `${known.format} of this kind becomes ${info.channels} channels, not three`);
  }
  if (info.width !== expected.width || info.height !== expected.height) {
    throw new Failure(
      'DAMAGED_FILE',
      `the header says ${expected.width} x ${expected.height} pixels, and there are ${info.width} x ${info.height}`,
    );
  }
  return data;
}
