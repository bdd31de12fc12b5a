/** Codes of so many bits go from minus this to this: `2^(bits - 1) - 1`. @throws RangeError unless `bits` is a whole number 1..16 */
export function levelsOf(bits: number): number {
  if (Number.isInteger(bits) && bits >= 1 && bits <= 16) return 2 ** (bits - 1) - 1;
  throw new RangeError(`${bits} bits: values are quantised to a whole number of bits, 1 to 16.`);
}
