import type { TextComparison } from './compareModels.ts';
import type { ChosenMethod, QuantizeTarget } from './method.ts';
import { joinedErrors, NO_ERRORS, type TensorErrors } from './tensorErrors.ts';

/** One tensor of a model that was quantized. */
export interface QuantizedTensor {
  /** In the released layout. */
  readonly name: string;
  /** As the file calls it, such as `int4`, `Q8_0` or `F16`. */
  readonly type: string;
  /** Another type than `type` where rows are no whole blocks of it. */
  readonly asked: string;
  /** With scales and minima. */
  readonly bytesBefore: number;
  readonly bytes: number;
  /** Against the weights that were rounded: with scales in them where the method puts scales in. */
  readonly errors: TensorErrors;
  /** Squared error of the outputs over the calibration text, in parts of their energy, where the method looks at them. */
  readonly outputError: number | undefined;
}

/** Tensors that play the same part in every layer, of one type. */
export interface TensorClass {
  readonly class: string;
  readonly type: string;
  readonly asked: string;
  readonly tensors: number;
  readonly weights: number;
  readonly bytes_before: number;
  readonly bytes: number;
  /** Root of the mean squared error over that of the weights. */
  readonly relative_error: number;
  /** The same of what they compute on the calibration text; null where the method does not look at that. */
  readonly output_error: number | null;
  /** Of the absolute weights. */
  readonly mean: number;
  /** Of the absolute errors. */
  readonly mean_error: number;
  readonly max_error: number;
}

/** What a text says about the model as a whole. */
export interface TextReport {
  readonly bytes: number;
  readonly windows: number;
  readonly mean_nats: number;
  readonly max_nats: number;
  readonly boundary_f1: number;
  /** Starts of patches: before, and after. */
  readonly patch_starts: { readonly before: number; readonly after: number };
  readonly bits_per_byte: { readonly before: number; readonly after: number };
}

/** All that is told of a model that was quantized; every number is measured. */
export interface QuantizeReport {
  /** Null where nothing was to be written. */
  readonly output: string | null;
  readonly to: QuantizeTarget;
  readonly method: ChosenMethod;
  /** Of the weights file. */
  readonly bytes_before: number;
  readonly bytes: number;
  /** Of everything that makes the model: weights, configuration, thresholds. */
  readonly model_bytes_before: number;
  readonly model_bytes: number;
  readonly classes: readonly TensorClass[];
  /** Nats: the model's own, or that of the released models where it has none; null where nothing was compared. */
  readonly threshold: number | null;
  readonly threshold_of: 'model' | 'released' | null;
  /** Null without text. */
  readonly calibration: TextReport | null;
  /** Null without text, or where it is too short. */
  readonly held_back: TextReport | null;
}

/** Sums up tensors that are alike. */
export function tensorClasses(tensors: readonly QuantizedTensor[]): TensorClass[] {
  const groups = Map.groupBy(tensors, ({ name, type, asked }) => `${className(name)} ${type} ${asked}`);
  return [...groups.values()].map((group) => {
    const [{ name, type, asked } = { name: '', type: '', asked: '' }] = group;
    const errors = group.reduce((sum, one) => joinedErrors(sum, one.errors), NO_ERRORS);
    const outputs = group.flatMap(({ outputError }) => (outputError === undefined ? [] : [outputError]));
    return {
      class: className(name),
      type,
      asked,
      tensors: group.length,
      weights: errors.values,
      bytes_before: group.reduce((sum, one) => sum + one.bytesBefore, 0),
      bytes: group.reduce((sum, one) => sum + one.bytes, 0),
      relative_error: errors.squares === 0 ? 0 : Math.sqrt(errors.squaredError / errors.squares),
      output_error: outputs.length === 0 ? null : Math.sqrt(outputs.reduce((a, b) => a + b) / outputs.length),
      mean: errors.magnitudes / errors.values,
      mean_error: errors.absoluteError / errors.values,
      max_error: errors.maxError,
    };
  });
}

export function textReport(found: TextComparison): TextReport {
  const { bytes, windows, meanNats, maxNats, boundaries, bitsPerByte } = found;
  return {
    bytes,
    windows,
    mean_nats: meanNats,
    max_nats: maxNats,
    boundary_f1: boundaries.f1,
    patch_starts: { before: boundaries.before, after: boundaries.after },
    bits_per_byte: bitsPerByte,
  };
}

const className = (name: string): string => name.replace(/^layers\.\d+\./, '').replace(/\.weight$/, '');
