import { kernel } from '../kernel.ts';
import { STORED_BITS } from './decodeCodes.wgsl.ts';
import { decodeForms, valueBuffers, valueCost, valueSizes } from './forms.ts';

/**
 * Values of the codes that `encode_codes` packs: `value = (code - zero) * scale`, or with `tabled` = 1
 * `table[code - low] * scale`, and with `moved` = 1 `+ middle`, each rounded to float32; u32[words], f32[groups], i32[groups],
 * f32[high - low + 1] to f32[rows, columns]. Groups, rows and `low`, `high`, `bias`, `shifted` are as there; `mask` is
 * 2^bits - 1, and `nothing` is 0.
 *
 * `faults`, one word, becomes 1 where a stored number is no code, or what a row is filled up with is not 0; else it stays.
 * Scales are positive normal numbers or 0, and no product overflows or is subnormal. On every device that rounds to the
 * nearest float32 the values are those of the CPU, bit for bit.
 */
export const decodeCodes = kernel({
  name: 'decode_codes',
  sizes: { ...valueSizes, bits: 'u32' },
  buffers: valueBuffers,
  forms: decodeForms<keyof typeof valueSizes | 'bits'>(STORED_BITS),
  cost: valueCost,
});
