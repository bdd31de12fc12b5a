import { kernel } from '../kernel.ts';
import { CODES, PACK_TRITS, SCALARS, STORED_AT } from './codes.wgsl.ts';
import { codeBuffers, codeCost, codeSizes, wordForm } from './packing.ts';

/**
 * As `encode_codes`, for stored numbers 0, 1 and 2, of which a byte holds five as digits to base 3, the first one being the
 * lowest; digits that the last byte of a row lacks are 0.
 */
export const encodeTrits = kernel({
  name: 'encode_trits',
  sizes: codeSizes,
  buffers: codeBuffers,
  forms: [wordForm<keyof typeof codeSizes>([SCALARS, CODES, STORED_AT, PACK_TRITS])],
  cost: codeCost,
});
