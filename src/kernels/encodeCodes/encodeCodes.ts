import { kernel } from '../kernel.ts';
import { CODES, PACK_BITS, PACK_WORDS, SCALARS, STORED_AT, VECTORS } from './codes.wgsl.ts';
import { codeBuffers, codeCost, codeSizes, wordForm } from './packing.ts';

const WIDTH = 'fn width() -> u32 { return sizes.bits; }';

/**
 * Codes of rows, packed: `code = clip(round((value - middle) * inverse) + zero, low, high)`, and what is stored is
 * `code + bias` in `bits` bits, 1 to 16; f32[rows, columns], f32[groups], both bound as u32, and i32[groups] to u32[words].
 *
 * Numbers of `block` columns share an inverse and a zero, the last ones of a row perhaps fewer: those of row r and column c
 * are number `r * row_groups + floor(c / block)`. The difference and the product are rounded to float32, then to a whole
 * number, half to even, or with `away` = 1 away from zero. The first code of a row has its lowest bits; a row takes
 * `row_bytes` bytes, those that are left being zeros, and rows follow each other without a gap, so that they may share a word.
 *
 * `low`, `high` and `bias` are whole numbers modulo 2^32. With `shifted` = 0 there are no zeros. Numbers are finite. On every
 * device that rounds products to the nearest float32 the codes are those of the CPU.
 */
export const encodeCodes = kernel({
  name: 'encode_codes',
  sizes: { ...codeSizes, bits: 'u32' },
  buffers: codeBuffers,
  forms: [
    wordForm<keyof typeof codeSizes | 'bits'>([VECTORS, CODES, PACK_WORDS], ({ bits, columns, block }) => {
      const each = 32 / bits;
      return 8 % bits === 0 && columns % each === 0 && (block % each === 0 || block >= columns);
    }),
    wordForm<keyof typeof codeSizes | 'bits'>([SCALARS, CODES, STORED_AT, WIDTH, PACK_BITS]),
  ],
  cost: codeCost,
});
