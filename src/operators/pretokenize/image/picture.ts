import { Failure } from '../../../sources/failure.ts';
import type { ImageSettings } from './options.ts';

/** Width and height of a frame in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** One frame of a picture: red, green and blue of each pixel, row by row from the top. */
export interface Frame extends Size {
  readonly rgb: Uint8Array;
  /** Milliseconds that it is shown, in an animation. */
  readonly delay?: number | undefined;
}

/** A decoded picture. */
export interface Picture {
  readonly frames: readonly Frame[];
  /** Frames that the file has, taken or not. */
  readonly total: number;
  /** Format that it was decoded from, such as `png`. */
  readonly format: string;
  /** Decoder with its version. */
  readonly decoder: string;
}

/** What is about to be made of a picture is told before it is decoded: here it may be refused. */
export type Announce = (frames: readonly Size[]) => void;

/** @throws Failure `IMAGE_TOO_LARGE` */
export function requireSizes(frames: readonly Size[], { maxPixels, maxSide }: ImageSettings): void {
  let pixels = 0;
  for (const { width, height } of frames) {
    if (width > maxSide || height > maxSide) {
      throw new Failure(
        'IMAGE_TOO_LARGE',
        `the picture is ${width} x ${height} pixels, and ${maxSide} are allowed to a side`,
        'Raise it with pretokenize({ image: { maxSide } }), or leave such pictures out.',
      );
    }
    pixels += width * height;
  }
  if (pixels > maxPixels) {
    const of = frames.length === 1 ? '' : ` in ${frames.length} frames`;
    throw new Failure(
      'IMAGE_TOO_LARGE',
      `the picture has ${pixels} pixels${of}, and ${maxPixels} are allowed`,
      'Raise it with pretokenize({ image: { maxPixels } }), or leave such pictures out.',
    );
  }
}
