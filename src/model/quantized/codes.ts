import { blockInputs, isBlocked, rowBytes, TRITS } from './layout.ts';
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

/** Decodes rows to f32[rows, in]: the numbers of `dequantizedMatrix`, bit for bit. */
export const decodeRows = (rows: PackedRows, target: Float32Array): void => decoders[rows.type](rows, target);

/** Where the first byte is that no codes give, or -1: bytes of `ternary` end at 242, codes of `int8` begin at -127. */
export function badCode(type: QuantizedType, bytes: Uint8Array): number {
  if (isBlocked(type)) return -1;
  if (type !== 'ternary') return bytes.indexOf(0x80);
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] ?? 0) >= TERNARY_BYTES) return i;
  return -1;
}

const decoders: Readonly<Record<QuantizedType, (rows: PackedRows, target: Float32Array) => void>> = {
  int8: decodeBytes,
  'int8-channel': decodeBytes,
  int4: decodeNibbles,
  'int4-64': decodeNibbles,
  ternary: decodeTrits,
};

function decodeBytes({ type, inputs, rows, bytes, scales }: PackedRows, target: Float32Array): void {
  const codes = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let row = 0, at = 0; row < rows; row++) {
    const scale = scales[type === 'int8' ? 0 : row] ?? 0;
    for (const end = at + inputs; at < end; at++) target[at] = (codes[at] ?? 0) * scale;
  }
}

function decodeNibbles({ type, inputs, rows, bytes, scales, minima }: PackedRows, target: Float32Array): void {
  const block = blockInputs(type, inputs);
  const width = rowBytes(type, inputs);
  for (let row = 0, group = 0; row < rows; row++) {
    for (let first = 0; first < inputs; first += block, group++) {
      const scale = scales[group] ?? 0;
      const minimum = minima?.[group] ?? 0;
      const end = Math.min(inputs, first + block);
      // codes of 4 bits and scales of 11 bits: the product is exact
      for (let i = first, from = row * width + (first >> 1), to = row * inputs + first; i < end; i += 2, from++) {
        const byte = bytes[from] ?? 0;
        target[to++] = (byte & 15) * scale + minimum;
        if (i + 1 < end) target[to++] = (byte >> 4) * scale + minimum;
      }
    }
  }
}

/** The five codes of each byte. */
const trits = Int8Array.from(
  { length: TERNARY_BYTES * TRITS },
  (_, i) => (Math.floor(Math.floor(i / TRITS) / 3 ** (i % TRITS)) % 3) - 1,
);

function decodeTrits({ inputs, rows, bytes, scales }: PackedRows, target: Float32Array): void {
  for (let row = 0, at = 0, from = 0; row < rows; row++) {
    const scale = scales[row] ?? 0;
    for (const end = at + inputs; at < end; from++) {
      const first = (bytes[from] ?? 0) * TRITS;
      const most = Math.min(TRITS, end - at);
      for (let i = 0; i < most; i++) target[at++] = (trits[first + i] ?? 0) * scale;
    }
  }
}
