const { fround } = Math;

/** What decides values, as the sizes of `decode_codes` do. */
export interface ValueSizes {
  readonly columns: number;
  readonly block: number;
  readonly row_groups: number;
  readonly middle: number;
}

/** Values of codes, in plain loops: i32[rows, columns] to f32[rows, columns]; `table` and `middle` where codes are not values. */
export function valuesOfCodes(
  codes: Int32Array,
  scales: Float32Array,
  zeros: Int32Array | undefined,
  { columns, block, row_groups, middle }: ValueSizes,
  quotientOf?: (code: number) => number,
): Float32Array {
  return Float32Array.from(codes, (code, i) => {
    const column = i % columns;
    const group = ((i - column) / columns) * row_groups + Math.floor(column / block);
    const scale = scales[group] ?? 0;
    if (quotientOf !== undefined) return fround(fround(quotientOf(code)) * scale) + middle;
    return (code - (zeros?.[group] ?? 0)) * scale;
  });
}
