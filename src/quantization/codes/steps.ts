import { SluiceError } from '../../errors.ts';
import { roundEven } from '../../kernels/rounding.ts';
import { LEAST_STEP, SMALLEST_NORMAL } from './linear.ts';

const { fround } = Math;

/** The float32 step of which `count` reach over a width; 0 for one below 2^-125. For ranges that were learned. */
export function stepOf(width: number, count: number): number {
  const step = fround(width / count);
  return width < SMALLEST_NORMAL || step < LEAST_STEP ? 0 : step;
}

/**
 * The float32 next to `1 / step`; 0 for a step of 0.
 * @throws SluiceError `QUANTIZER_TENSOR` for a step that nobody learned: below 2^-125, above 2^126, or no number
 */
export function inverseOf(step: number): number {
  if (step === 0) return 0;
  if (step >= LEAST_STEP && step <= 2 ** 126) return fround(1 / step);
  throw new SluiceError(`a scale that was learned is ${step}`, {
    code: 'QUANTIZER_TENSOR',
    hint: 'the file of the quantizer is damaged: train it again',
  });
}

/** The code of zero that gives the least value of a range the code `low`. */
export function zeroOf(least: number, step: number, low: number, high: number): number {
  return Math.min(high, low - roundEven(fround(fround(least) * inverseOf(step))));
}
