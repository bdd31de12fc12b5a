import { kernel } from '../kernel.ts';
import { STORED_TRITS } from './decodeCodes.wgsl.ts';
import { decodeForms, valueBuffers, valueCost, valueSizes } from './forms.ts';

/** As `decode_codes`, for the codes that `encode_trits` packs; `mask` is 3. A byte above 242 is a fault as well. */
export const decodeTrits = kernel({
  name: 'decode_trits',
  sizes: valueSizes,
  buffers: valueBuffers,
  forms: decodeForms<keyof typeof valueSizes>(STORED_TRITS),
  cost: valueCost,
});
