/**
 * Values of codes. Zeros keep the sign that the product of IEEE 754 has, which devices need not; where something is added to a
 * product, its bits go through a number that no compiler knows to be zero, so that the two are never put together.
 */
export const VALUES = `
fn fault() { atomicMax(&faults[0], 1u); }

fn valueOf(stored: u32, group: u32) -> f32 {
  // the number of the code among all of them, whatever the bias
  let at = (stored - sizes.bias - sizes.low) & sizes.mask;
  if (at > sizes.high - sizes.low) { fault(); }
  var factor = f32(bitcast<i32>(at + sizes.low));
  if (sizes.shifted != 0u) { factor = f32(bitcast<i32>(at + sizes.low) - zeros[group]); }
  if (sizes.tabled != 0u) { factor = table[at]; }
  let product = factor * scales[group];
  let bits = select(bitcast<u32>(product), bitcast<u32>(factor) & 0x80000000u, product == 0.0);
  if (sizes.moved == 0u) { return bitcast<f32>(bits); }
  return select(bitcast<f32>(bits ^ sizes.nothing) + sizes.middle, sizes.middle, product == 0.0);
}

fn groupOf(row: u32, column: u32) -> u32 { return row * sizes.row_groups + column / sizes.block; }
fn byteAt(byte: u32) -> u32 { return (codes[byte >> 2u] >> (8u * (byte & 3u))) & 255u; }`;

/** Numbers of `bits` bits, one behind the other from the lowest bit of a row on. */
export const STORED_BITS = `
fn storedAt(row: u32, column: u32) -> u32 {
  let bit = column * sizes.bits;
  let byte = row * sizes.row_bytes + (bit >> 3u);
  let shift = 8u * (byte & 3u) + (bit & 7u);
  var word = codes[byte >> 2u] >> shift;
  if (shift + sizes.bits > 32u) { word |= codes[(byte >> 2u) + 1u] << (32u - shift); }
  let left = (bit + sizes.bits) & 7u;
  if (column + 1u == sizes.columns && left != 0u && byteAt((row + 1u) * sizes.row_bytes - 1u) >> left != 0u) { fault(); }
  return word & sizes.mask;
}`;

/** Digits to base 3, five to a byte, the lowest first. */
export const STORED_TRITS = `
const POWERS = array<u32, 5>(1u, 3u, 9u, 27u, 81u);
fn storedAt(row: u32, column: u32) -> u32 {
  let byte = byteAt(row * sizes.row_bytes + column / 5u);
  let rest = byte / POWERS[column % 5u];
  if (byte > 242u || (column + 1u == sizes.columns && rest > 2u)) { fault(); }
  return rest % 3u;
}`;

export const DECODE = `
fn element(at: u32) {
  if (at >= sizes.rows * sizes.columns) { return; }
  let row = at / sizes.columns;
  let column = at - row * sizes.columns;
  values[at] = valueOf(storedAt(row, column), groupOf(row, column));
}`;

/** Rows are multiples of four. */
export const DECODE4 = `
fn element(at: u32) {
  let width = sizes.columns / 4u;
  if (at >= sizes.rows * width) { return; }
  let row = at / width;
  let column = 4u * (at - row * width);
  var four: vec4<f32>;
  for (var i = 0u; i < 4u; i++) { four[i] = valueOf(storedAt(row, column + i), groupOf(row, column + i)); }
  values[at] = four;
}`;
