/**
 * Element types a safetensors file may hold, with their bytes per element, in the rank order of the format's reference
 * writer: it lays tensors out by falling rank, so that wide elements come first and stay aligned.
 */
const ranked = [
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['F8_E5M2', 1],
  ['F8_E4M3', 1],
  ['I16', 2],
  ['U16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['I32', 4],
  ['U32', 4],
  ['F32', 4],
  ['F64', 8],
  ['I64', 8],
  ['U64', 8],
] as const;

export type Dtype = (typeof ranked)[number][0];

const sizes = new Map<string, number>(ranked);
const ranks = new Map<string, number>(ranked.map(([name], rank) => [name, rank]));

/** Bytes per element, or `undefined` where the format knows no such type. */
export function dtypeSize(dtype: string): number | undefined {
  return sizes.get(dtype);
}

/** Place in the layout order; higher ranks are stored first. */
export function dtypeRank(dtype: Dtype): number {
  return ranks.get(dtype) ?? -1;
}
