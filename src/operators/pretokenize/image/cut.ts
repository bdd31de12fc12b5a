import { Failure } from '../../../sources/failure.ts';
import type { Cutter } from '../modality.ts';
import { decodeBmp, isBmpType } from './bmp.ts';
import { fitted, scaledDown } from './fit.ts';
import type { ImageSettings } from './options.ts';
import { chargePatches, patchTable } from './patchTable.ts';
import type { Announce, Picture } from './picture.ts';
import { decodeWithSharp, sharpFormat } from './sharpDecoder.ts';

/**
 * Cuts a picture into patches of RGB, row by row, 8 bits a sample. Patches are derived, and stand for the whole file.
 *
 * @throws Failure `UNDECODED`, `DAMAGED_FILE`, `IMAGE_TOO_LARGE`, `IMAGE_TOO_SMALL`, `DECODED_TOO_LARGE`
 */
export const cutImage: Cutter<ImageSettings> = async ({ bytes, mediaType }, settings, { budget, maxSegmentBytes }) => {
  const { fit } = settings;
  const announce: Announce = (frames) =>
    chargePatches(
      frames.map((frame) => fitted(frame, fit)),
      settings,
      budget,
    );
  const picture = await decoded(bytes, mediaType, settings, announce);
  const { frames, total, format, decoder } = await scaledDown(picture, fit);
  const patches = patchTable(frames, settings, maxSegmentBytes, { frames: total, decoder });
  const within = frames.some(({ rgb }, index) => rgb !== picture.frames[index]?.rgb) ? ` within ${fit}` : '';
  return [{ suffix: '', modality: 'image', mediaType, derived: `${format} -> rgb8${within} (${decoder})`, ...patches }];
};

function decoded(
  bytes: Uint8Array,
  mediaType: string,
  settings: ImageSettings,
  announce: Announce,
): Picture | Promise<Picture> {
  if (isBmpType(mediaType)) return decodeBmp(bytes, settings, announce);
  const format = sharpFormat(mediaType);
  if (format !== undefined) return decodeWithSharp(bytes, format, settings, announce);
  throw new Failure(
    'UNDECODED',
    `nothing here decodes ${mediaType}`,
    "Convert such pictures to PNG or JPEG, or pass their bytes as they are with pretokenize({ undecoded: 'keep' }).",
  );
}
