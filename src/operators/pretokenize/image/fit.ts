import { Failure } from '../../../sources/failure.ts';
import type { Frame, Picture, Size } from './picture.ts';
import { loadSharp } from './sharpDecoder.ts';

/** The size of a picture whose longest side shall be `fit` pixels at most, the aspect kept; 0 leaves every picture as it is. */
export function fitted({ width, height }: Size, fit: number): Size {
  const longest = Math.max(width, height);
  if (fit === 0 || longest <= fit) return { width, height };
  const side = (pixels: number): number => Math.max(1, Math.round((pixels * fit) / longest));
  return { width: side(width), height: side(height) };
}

/**
 * Scales frames down to their fitted sizes (Lanczos, three lobes); what is small enough stays as it is.
 *
 * @throws Failure `UNDECODED` where sharp is missing, `DAMAGED_FILE`
 */
export async function scaledDown(picture: Picture, fit: number): Promise<Picture> {
  const frames: Frame[] = [];
  for (const frame of picture.frames) frames.push(await scaledFrame(frame, fitted(frame, fit)));
  return { ...picture, frames };
}

async function scaledFrame(frame: Frame, { width, height }: Size): Promise<Frame> {
  if (width === frame.width && height === frame.height) return frame;
  const sharp = await loadSharp();
  const raw = { width: frame.width, height: frame.height, channels: 3 } as const;
  const rgb = await sharp(frame.rgb, { raw, limitInputPixels: false })
    .resize({ width, height, fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer()
    .catch((error: Error) => {
      throw new Failure('DAMAGED_FILE', `the picture cannot be scaled: ${error.message}`, undefined, error);
    });
  return { ...frame, width, height, rgb };
}
