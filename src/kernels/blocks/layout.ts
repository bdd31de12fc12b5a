/**
 * Weight encodings of ggml (https://github.com/ggml-org/ggml): rows are cut into blocks of `values` consecutive weights,
 * each block takes `bytes`.
 *
 * | type  | block                                                                                                |
 * | ----- | ---------------------------------------------------------------------------------------------------- |
 * | F32, F16, BF16 | one little-endian number                                                                    |
 * | Q8_0  | f16 scale, 32 signed bytes                                                                           |
 * | Q4_K  | f16 scale, f16 minimum, 8 sub-blocks of 32: 6-bit scales and minima in 12 bytes, then 4-bit weights   |
 * | Q6_K  | 16 sub-blocks of 16: low 4 bits, high 2 bits of the weights, signed-byte scales, f16 scale            |
 */
export const blockLayouts = {
  F32: { values: 1, bytes: 4 },
  F16: { values: 1, bytes: 2 },
  BF16: { values: 1, bytes: 2 },
  Q8_0: { values: 32, bytes: 34 },
  Q4_K: { values: 256, bytes: 144 },
  Q6_K: { values: 256, bytes: 210 },
} as const;

export type BlockType = keyof typeof blockLayouts;

/** Every type, by name. */
export const blockTypes = Object.keys(blockLayouts) as readonly BlockType[];

/** Bytes that `values` weights take; `values` must be whole blocks. */
export function blockBytes(type: BlockType, values: number): number {
  const layout = blockLayouts[type];
  return (values / layout.values) * layout.bytes;
}

/** @throws RangeError unless `values` are whole blocks of `type` in exactly `bytes` bytes */
export function requireBlocks(type: BlockType, values: number, bytes: number): void {
  if (values % blockLayouts[type].values === 0 && bytes === blockBytes(type, values)) return;
  throw new RangeError(`${values} values are not ${bytes} bytes of ${type}.`);
}
