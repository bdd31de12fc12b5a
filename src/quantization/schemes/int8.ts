import { SluiceError } from '../../errors.ts';
import { normalScale, roundEven } from '../../kernels/rounding.ts';
import { requireOptions } from '../../knownOptions.ts';
import { coderScheme } from '../scheme.ts';

export interface Int8Options {
  /** Type of the scales that are kept. Default: `f16`. */
  readonly scales?: 'f16' | 'f32' | undefined;
}

/** Row by row: the largest magnitude of a row becomes 127. */
export const int8 = coderScheme<{ readonly scales: 'f32' }>({
  name: 'int8',
  resolve(given: Int8Options) {
    requireOptions('int8', given, { scales: true });
    return { scales: 'f32' };
  },
  tensors: () => [],
  open: (_, columns) => ({
    parts: [
      { name: 'codes', dtype: 'I8', shape: [columns], rowBytes: columns },
      { name: 'scales', dtype: 'F32', shape: [], rowBytes: 4 },
    ],
    encode(rows) {
      const codes = new Int8Array(rows.length);
      const scales = new Float32Array(rows.length / columns);
      for (let row = 0; row < scales.length; row++) {
        const values = rows.subarray(row * columns, (row + 1) * columns);
        const column = values.findIndex((value) => !Number.isFinite(value));
        if (column >= 0) {
          throw new SluiceError(`value ${column} of row ${row} is ${values[column]}`, { code: 'QUANTIZE_VALUE' });
        }
        const scale = normalScale(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
        scales[row] = scale;
        if (scale === 0) continue;
        for (let i = 0; i < columns; i++) codes[row * columns + i] = roundEven((values[i] ?? 0) / scale);
      }
      return [new Uint8Array(codes.buffer), new Uint8Array(scales.buffer)];
    },
    decode([codes = new Uint8Array(), scales = new Uint8Array()]) {
      const floats = new Float32Array(scales.slice().buffer);
      return Float32Array.from(new Int8Array(codes.slice().buffer), (code, i) => {
        return code * (floats[Math.floor(i / columns)] ?? 0);
      });
    },
  }),
});
