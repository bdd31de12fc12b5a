import { requireOptions } from '../../knownOptions.ts';
import { type Calibration, calibrateRange } from '../codes/calibrate.ts';
import { linearCoder } from '../codes/coder.ts';
import type { LinearForm } from '../codes/linear.ts';
import { inverseOf, stepOf, zeroOf } from '../codes/steps.ts';
import { badOption, oneOf, percentileOf, refuseIdle } from '../options.ts';
import { coderScheme, type TrainedTensor } from '../scheme.ts';

export interface Int8Options {
  /** `symmetric`: codes -127..127 around 0; `asymmetric`: -128..127 with a code of zero. Default: `symmetric`. */
  readonly mode?: 'symmetric' | 'asymmetric' | undefined;
  /** What shares a scale: each row, computed from it; or each column, or everything, learned from a sample. Default: `row`. */
  readonly scale?: 'row' | 'column' | 'tensor' | undefined;
  /** Type of the scales of rows. Default: `f16`. */
  readonly scales?: 'f16' | 'f32' | undefined;
  /** How a range is learned for columns or everything. Default: `minmax`. */
  readonly calibrate?: Calibration | undefined;
  /** Percent of the values that `percentile` keeps within the range. Default: 99.9. */
  readonly percentile?: number | undefined;
}

interface Resolved {
  readonly [name: string]: string | number;
  readonly mode: 'symmetric' | 'asymmetric';
  readonly scale: 'row' | 'column' | 'tensor';
  readonly scales: 'f16' | 'f32';
  readonly calibrate: Calibration;
  readonly percentile: number;
}

/**
 * A byte a number: `value = (code - zero) * scale`. Of a row, `scale` is the binary16 or float32 number next to its largest
 * magnitude / 127, or to its range (0 included) / 255. Parts: `codes` I8 [columns], and of rows `scales` F16 or F32 [], with
 * `asymmetric` `zeros` I8 []. Learned for columns or everything: `scales` and with `asymmetric` `zeros`, [columns] or [1].
 *
 * Encoding throws SluiceError `QUANTIZE_VALUE` for NaN and infinities, and for rows whose scale binary16 does not hold within
 * its normal range: whose largest magnitude is below 0.00775 (but not 0) or above 8.3 million.
 */
export const int8 = coderScheme<Resolved>({
  name: 'int8',
  resolve(given: Int8Options) {
    requireOptions('int8', given, { mode: true, scale: true, scales: true, calibrate: true, percentile: true });
    const scale = oneOf('int8', 'scale', given.scale, ['row', 'column', 'tensor']);
    const calibrate = oneOf('int8', 'calibrate', given.calibrate, ['minmax', 'percentile', 'mse']);
    if (scale === 'row')
      refuseIdle('int8', given, { calibrate: 'minmax', percentile: 99.9 }, 'scales of rows are not learned');
    else refuseIdle('int8', given, { scales: 'f16' }, 'scales that are learned are float32');
    if (calibrate !== 'percentile') refuseIdle('int8', given, { percentile: 99.9 }, `calibrate is ${calibrate}`);
    return {
      mode: oneOf('int8', 'mode', given.mode, ['symmetric', 'asymmetric']),
      scale,
      scales: oneOf('int8', 'scales', given.scales, ['f16', 'f32']),
      calibrate,
      percentile: percentileOf('int8', given.percentile),
    };
  },
  learns: ({ scale }) => scale !== 'row',
  tensors({ scale, mode }, columns) {
    if (scale === 'row') return [];
    const shape = [scale === 'column' ? columns : 1];
    return mode === 'symmetric'
      ? [{ name: 'scales', shape }]
      : [
          { name: 'scales', shape },
          { name: 'zeros', shape },
        ];
  },
  train({ scale, mode, calibrate, percentile }, { rows, columns }) {
    if (scale === 'row') return [];
    const groups = scale === 'column' ? columns : 1;
    const scales = new Float32Array(groups);
    const zeros = new Float32Array(groups);
    const isSymmetric = mode === 'symmetric';
    for (let group = 0; group < groups; group++) {
      const values = scale === 'column' ? columnOf(rows, columns, group) : rows;
      const range = calibrateRange(values, isSymmetric, isSymmetric ? 254 : 255, { calibrate, percentile });
      const step = isSymmetric ? stepOf(range.most, 127) : stepOf(range.most - range.least, 255);
      scales[group] = step;
      zeros[group] = isSymmetric ? 0 : zeroOf(range.least, step, -128, 127);
    }
    const learned: TrainedTensor[] = [{ name: 'scales', shape: [groups], values: scales }];
    return isSymmetric ? learned : [...learned, { name: 'zeros', shape: [groups], values: zeros }];
  },
  open({ mode, scale, scales }, columns, [learned, learnedZeros]) {
    const isSymmetric = mode === 'symmetric';
    const form: LinearForm = {
      columns,
      group: scale === 'row' ? 'block' : scale,
      block: columns,
      from: scale !== 'row' ? 'fixed' : isSymmetric ? 'magnitude' : 'extremes',
      middle: 0,
      low: isSymmetric ? -127 : -128,
      high: 127,
      bias: 0,
      rounding: 'even',
      packing: 'bits',
      bits: 8,
    };
    if (scale === 'row') {
      return linearCoder({ form, codes: 'I8', steps: scales, zeros: isSymmetric ? undefined : 'I8' });
    }
    const steps = learned?.values ?? new Float32Array();
    const zeros = Int32Array.from(learnedZeros?.values ?? steps, (zero) => (isSymmetric ? 0 : requireZero(zero)));
    return linearCoder({ form, codes: 'I8', fixed: { inverses: steps.map(inverseOf), zeros, scales: steps } });
  },
});

function columnOf(rows: Float32Array, columns: number, column: number): Float32Array {
  return Float32Array.from({ length: rows.length / columns }, (_, row) => rows[row * columns + column] ?? 0);
}

function requireZero(zero: number): number {
  if (Number.isInteger(zero) && zero >= -128 && zero <= 127) return zero;
  throw badOption('int8', 'zeros', zero, 'whole numbers, -128 to 127');
}
