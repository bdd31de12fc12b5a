import { Failure } from '../../../sources/failure.ts';
import type { Cutter } from '../modality.ts';
import { decodeBmp, isBmpType } from './bmp.ts';
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
  const announce: Announce = (frames) => chargePatches(frames, settings, budget);
  const { frames, total, format, decoder } = await decoded(bytes, mediaType, settings, announce);
  const patches = patchTable(frames, settings, maxSegmentBytes, { frames: total, decoder });
  return [{ suffix: '', modality: 'image', mediaType, derived: `${format} -> rgb8 (${decoder})`, ...patches }];
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
