import { isBlocked, rowBytes, TRITS } from './layout.ts';
import type { QuantizedMatrix, QuantizedType } from './matrix.ts';

/** One more than the largest byte that five digits to base 3 give. */
const TERNARY_BYTES = 3 ** TRITS;

/** The codes of a matrix as files have them: see `quantizedTensors`. */
export function packedCodes({ type, outputs, inputs, codes }: QuantizedMatrix): Uint8Array {
  if (type === 'int8' || type === 'int8-channel') {
    return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
  }
  const width = rowBytes(type, inputs);
  const packed = new Uint8Array(outputs * width);
  const perByte = isBlocked(type) ? 2 : TRITS;
  for (let row = 0; row < outputs; row++) {
    for (let byte = 0; byte < width; byte++) {
      let number = 0;
      for (let i = perByte - 1; i >= 0; i--) {
        const input = byte * perByte + i;
        const code = input < inputs ? (codes[row * inputs + input] ?? 0) : 0;
        number = isBlocked(type) ? (number << 4) | code : 3 * number + code + 1;
      }
      packed[row * width + byte] = number;
    }
  }
  return packed;
}

/** Whole rows of a matrix as a file has them. */
export interface PackedRows {
  readonly type: QuantizedType;
  readonly inputs: number;
  readonly rows: number;
  /** Codes. */
  readonly bytes: Uint8Array;
  /** Of these rows; the one of the matrix for `int8`. */
  readonly scales: Float32Array;
  readonly minima: Float32Array | undefined;
}

/** Where the first byte is that no codes give, or -1: bytes of `ternary` end at 242, codes of `int8` begin at -127. */
export function badCode(type: QuantizedType, bytes: Uint8Array): number {
  if (isBlocked(type)) return -1;
  return type === 'ternary' ? bytes.findIndex((byte) => byte >= TERNARY_BYTES) : bytes.indexOf(0x80);
}
