const { fround } = Math;

/** What decides codes, as the sizes of `encode_codes` do. */
export interface CodeSizes {
  readonly rows: number;
  readonly columns: number;
  readonly block: number;
  readonly row_groups: number;
  readonly low: number;
  readonly high: number;
  readonly bias: number;
  readonly away: number;
  readonly middle: number;
}

/** Stored numbers, before they are packed, in plain loops: f32[rows, columns] to i32[rows, columns]. */
export function storedNumbers(
  input: Float32Array,
  inverses: Float32Array,
  zeros: Int32Array | undefined,
  { columns, block, row_groups, low, high, bias, away, middle }: CodeSizes,
): Int32Array {
  return Int32Array.from(input, (value, i) => {
    const column = i % columns;
    const group = ((i - column) / columns) * row_groups + Math.floor(column / block);
    const product = fround(fround(value - middle) * (inverses[group] ?? 0));
    const code = (away === 0 ? roundEven(product) : roundAway(product)) + (zeros?.[group] ?? 0);
    return Math.max(low, Math.min(high, code)) + bias;
  });
}

/** A little-endian stream of numbers of so many bits, each row padded to `rowBytes`, in whole words. */
export function packedBits(stored: Int32Array, columns: number, bits: number, rowBytes: number): Uint32Array {
  const rows = stored.length / columns;
  const bytes = new Uint8Array(4 * Math.ceil((rows * rowBytes) / 4));
  for (let i = 0; i < stored.length; i++) {
    const at = 8 * rowBytes * Math.floor(i / columns) + (i % columns) * bits;
    for (let bit = 0; bit < bits; bit++) {
      const byte = (at + bit) >> 3;
      bytes[byte] = (bytes[byte] ?? 0) | ((((stored[i] ?? 0) >> bit) & 1) << ((at + bit) & 7));
    }
  }
  return new Uint32Array(bytes.buffer);
}

/** Five numbers to a byte, in whole words. */
export function packedTrits(stored: Int32Array, columns: number): Uint32Array {
  const rowBytes = Math.ceil(columns / 5);
  const rows = stored.length / columns;
  const bytes = new Uint8Array(4 * Math.ceil((rows * rowBytes) / 4));
  for (let i = 0; i < stored.length; i++) {
    const column = i % columns;
    const at = rowBytes * Math.floor(i / columns) + Math.floor(column / 5);
    bytes[at] = (bytes[at] ?? 0) + 3 ** (column % 5) * (stored[i] ?? 0);
  }
  return new Uint32Array(bytes.buffer);
}

function roundEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}

const roundAway = (value: number): number => {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
};
