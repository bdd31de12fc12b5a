import { kernel } from '../kernel.ts';
import { PACK_BITS, SIGN_AT, SIGN_WORDS } from './codes.wgsl.ts';
import { codeBuffers, wordForm } from './packing.ts';

/**
 * A bit for each number, set where it is greater than -2^-126, the first one of a row in its lowest bit; f32[rows, columns],
 * bound as u32, to u32[words]. A row takes `row_bytes` bytes, and rows follow each other without a gap. Exact on every device.
 */
export const encodeSigns = kernel({
  name: 'encode_signs',
  sizes: { rows: 'u32', columns: 'u32', row_bytes: 'u32', words: 'u32' },
  buffers: { input: codeBuffers.input, codes: codeBuffers.codes },
  forms: [
    wordForm<'rows' | 'columns' | 'row_bytes'>([SIGN_WORDS], ({ columns }) => columns % 32 === 0),
    wordForm<'rows' | 'columns' | 'row_bytes'>([SIGN_AT, PACK_BITS]),
  ],
  cost: ({ rows, columns, words }) => ({ bytes: 4 * (rows * columns + words), flops: rows * columns }),
});
