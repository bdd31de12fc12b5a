import { turnHead } from '../rope/cpu.ts';

/** What is turned back, laid out as the kernel reads it. */
export interface TurnKeysInput {
  readonly carried: Float32Array;
  readonly slots: Uint32Array;
  readonly angles: Float32Array;
  readonly ringRows: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** The carried rows with the keys of the slots turned back, in float64. */
export function turnedKeysOf({ carried, slots, angles, ringRows, kvHeads, headDim }: TurnKeysInput): Float64Array {
  const result = Float64Array.from(carried);
  for (const [i, slot] of slots.entries()) {
    for (let head = 0; head < ringRows * kvHeads; head++) {
      const at = (2 * slot * ringRows * kvHeads + head) * headDim;
      turnHead(result.subarray(at, at + headDim), angles.subarray(i * headDim, (i + 1) * headDim), -1);
    }
  }
  return result;
}
