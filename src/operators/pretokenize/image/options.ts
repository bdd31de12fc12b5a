import { PipelineError } from '../../../errors.ts';

/** How pictures are cut into patches. */
export interface ImageOptions {
  /** Side of a patch in pixels, 1 to 256. Default: 16, which makes 768 bytes of RGB. */
  readonly patchSize?: number | undefined;
  /** Pixels from one patch to the next, both ways, 1 to `patchSize`; fewer than that make patches overlap. Default: `patchSize`. */
  readonly stride?: number | undefined;
  /**
   * Order of the patches of a picture: row by row, or along a generalized Hilbert curve, on which what is near stays near.
   * Default: `raster`.
   */
  readonly order?: 'raster' | 'hilbert' | undefined;
  /**
   * What fills patches that reach beyond the picture: black (`pad`), or its last row and column again (`replicate`); `crop`
   * leaves such patches out, and what only they hold. Default: `pad`.
   */
  readonly edges?: 'pad' | 'replicate' | 'crop' | undefined;
  /**
   * What one segment holds, which the model sees without interruption: a patch, a row of patches (in raster order alone),
   * or the patches of a whole frame (cut at `maxSegmentBytes`). Default: `patch`.
   */
  readonly unit?: 'patch' | 'row' | 'image' | undefined;
  /**
   * Patches that follow each other from left to right in one row become one segment while the mean of their local entropies
   * is below this, in bits (0 to 8). Default: `false`; what blt-burn did is 1.5.
   */
  readonly merge?: number | false | undefined;
  /** Whether segments tell the entropy of their bytes, which takes four times as long as cutting them. Default: where `merge` asks for it. */
  readonly localEntropy?: boolean | undefined;
  /** What becomes of transparency: the picture is laid over `background`, or the colours below are shown as if opaque. Default: `flatten`. */
  readonly alpha?: 'flatten' | 'remove' | undefined;
  /** Red, green and blue behind transparent pixels, 0 to 255 each. Default: white. */
  readonly background?: readonly [red: number, green: number, blue: number] | undefined;
  /** Of animations and files of several pages, the first one or all of them. Default: `first`. */
  readonly frames?: 'first' | 'all' | undefined;
  /** Frames that `all` takes at most, from the first one on. Default: 1,000. */
  readonly maxFrames?: number | undefined;
  /** Pixels of a picture, all frames taken together, beyond which it is rejected before it is decoded. Default: 50 million. */
  readonly maxPixels?: number | undefined;
  /** Width and height in pixels, of one frame, beyond which a picture is rejected. Default: 65,535. */
  readonly maxSide?: number | undefined;
  /**
   * Pixels that the longest side has at most: larger pictures are scaled down to it, their aspect kept. The model reads three
   * bytes for every pixel. 0 leaves pictures as they are. Default: 0.
   */
  readonly fit?: number | undefined;
  /** Dots per inch at which SVG is drawn, 1 to 2,400; at 72, one unit is one pixel. Default: 72. */
  readonly svgDensity?: number | undefined;
}

export const IMAGE_OPTIONS = {
  patchSize: true,
  stride: true,
  order: true,
  edges: true,
  unit: true,
  merge: true,
  localEntropy: true,
  alpha: true,
  background: true,
  frames: true,
  maxFrames: true,
  maxPixels: true,
  maxSide: true,
  fit: true,
  svgDensity: true,
} as const;

/** {@link ImageOptions} with nothing left out; plain values, which cross to decoder processes. */
export type ImageSettings = { readonly [K in keyof ImageOptions]-?: NonNullable<ImageOptions[K]> };

const WHITE: readonly [number, number, number] = [255, 255, 255];

/** @throws PipelineError `BAD_OPTION` */
export function settledImage(options: ImageOptions = {}): ImageSettings {
  const { patchSize = 16, merge = false, background = WHITE } = options;
  const { localEntropy = merge !== false } = options;
  const settings: ImageSettings = {
    patchSize: whole('patchSize', patchSize, 1, 256),
    stride: whole('stride', options.stride ?? patchSize, 1, patchSize),
    order: oneOf('order', options.order ?? 'raster', ['raster', 'hilbert']),
    edges: oneOf('edges', options.edges ?? 'pad', ['pad', 'replicate', 'crop']),
    unit: oneOf('unit', options.unit ?? 'patch', ['patch', 'row', 'image']),
    merge,
    localEntropy: oneOf('localEntropy', localEntropy, [true, false]),
    alpha: oneOf('alpha', options.alpha ?? 'flatten', ['flatten', 'remove']),
    background,
    frames: oneOf('frames', options.frames ?? 'first', ['first', 'all']),
    maxFrames: whole('maxFrames', options.maxFrames ?? 1000, 1, 1_000_000),
    maxPixels: whole('maxPixels', options.maxPixels ?? 50_000_000, 1, 1_000_000_000),
    maxSide: whole('maxSide', options.maxSide ?? 65_535, 1, 1_000_000),
    fit: whole('fit', options.fit ?? 0, 0, 65_535),
    svgDensity: whole('svgDensity', options.svgDensity ?? 72, 1, 2400),
  };
  if (merge !== false && !(typeof merge === 'number' && merge >= 0 && merge <= 8)) {
    throw bad(`merge is ${merge}; it must be false, or a number of bits from 0 to 8`);
  }
  if (!Array.isArray(background) || background.length !== 3 || !background.every(isByte)) {
    throw bad(`background is ${JSON.stringify(background)}; it must be three whole numbers from 0 to 255`);
  }
  if (settings.unit === 'row' && settings.order === 'hilbert') {
    throw bad("unit is 'row' and order 'hilbert'; a curve has no rows", "Use unit 'patch' or 'image'.");
  }
  if (merge !== false && settings.unit !== 'patch') {
    throw bad(`merge is ${merge} and unit '${settings.unit}'; only single patches are merged`, "Use unit 'patch'.");
  }
  if (merge !== false && !localEntropy) {
    throw bad(`merge is ${merge} and localEntropy false; merging goes by it`, 'Leave one of them out.');
  }
  return settings;
}

/** How pictures that have been made to a size are cut: those of pages, frames of videos. @throws PipelineError `BAD_OPTION` */
export function settledPatches(options: ImageOptions = {}): ImageSettings {
  if (options.fit === undefined) return settledImage(options);
  throw bad(`fit is ${options.fit}, and it is for picture files`, 'Pages have a width and frames a size of their own.');
}

const isByte = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255;

const bad = (message: string, hint?: string): PipelineError =>
  new PipelineError(`pretokenize: image: ${message}`, { code: 'BAD_OPTION', hint });

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw bad(`${name} is ${value}; it must be a whole number from ${least} to ${most}`);
}

function oneOf<T>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw bad(
    `${name} is ${JSON.stringify(value)}; it must be ${allowed.map((one) => JSON.stringify(one)).join(' or ')}`,
  );
}
