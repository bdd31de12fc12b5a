/** Least and largest number of each group of `columns`, of lines of `line`; NaN where a group has one. */
export function extremesOfRows(
  input: Float32Array,
  columns: number,
  line: number,
): { readonly least: Float32Array; readonly largest: Float32Array } {
  const groups: Float32Array[] = [];
  for (let first = 0; first < input.length; first += line) {
    for (let from = 0; from < line; from += columns) {
      groups.push(input.subarray(first + from, first + Math.min(from + columns, line)));
    }
  }
  return {
    least: Float32Array.from(groups, (group) => Math.min(...group)),
    largest: Float32Array.from(groups, (group) => Math.max(...group)),
  };
}
