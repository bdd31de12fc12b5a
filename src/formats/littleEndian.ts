import { endianness } from 'node:os';

const swapped = endianness() === 'BE';

/**
 * The bytes of a typed array in little-endian order, as every format here stores numbers: a view where the machine is
 * little-endian itself, a swapped copy elsewhere.
 */
export function littleEndianBytes(array: ArrayBufferView & { readonly BYTES_PER_ELEMENT: number }): Uint8Array {
  const view = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const size = array.BYTES_PER_ELEMENT;
  return swapped && size > 1 ? swap(view, size) : view;
}

function swap(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += size) {
    for (let i = 0; i < size; i++) out[start + i] = bytes[start + size - 1 - i] ?? 0;
  }
  return out;
}

/** Reads f32 values that lie little-endian at any offset. The result never shares memory with `bytes`. */
export function float32From(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  return new Float32Array(aligned(bytes, 4));
}

/** Reads i32 values that lie little-endian at any offset. The result never shares memory with `bytes`. */
export function int32From(bytes: Uint8Array): Int32Array<ArrayBuffer> {
  return new Int32Array(aligned(bytes, 4));
}

/** Reads u32 values that lie little-endian at any offset. The result never shares memory with `bytes`. */
export function uint32From(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  return new Uint32Array(aligned(bytes, 4));
}

/** Reads i64 values that lie little-endian at any offset. The result never shares memory with `bytes`. */
export function int64From(bytes: Uint8Array): BigInt64Array<ArrayBuffer> {
  return new BigInt64Array(aligned(bytes, 8));
}

/** Reads f64 values that lie little-endian at any offset. The result never shares memory with `bytes`. */
export function float64From(bytes: Uint8Array): Float64Array<ArrayBuffer> {
  return new Float64Array(aligned(bytes, 8));
}

function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(swapped ? swap(bytes, size) : bytes);
  return copy.buffer;
}
