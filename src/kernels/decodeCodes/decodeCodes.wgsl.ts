/**
 * Values of codes. Zeros keep the sign that the product of IEEE 754 has, which devices need not; where something is added to a
 * product, its bits go through a number that no compiler knows to be zero, so that the two are never put together.
 */
export const VALUES = `
fn fault() { atomicMax(&faults[0], 1u); }

fn valuesOf(stored: Words, group: u32) -> Floats {
  // numbers of the codes among all of them, whatever the bias
  let at = (stored - sizes.bias - sizes.low) & Words(sizes.mask);
  if (largestOf(at) > sizes.high - sizes.low) { fault(); }
  var zero = 0i;
  if (sizes.shifted != 0u) { zero = zeros[group]; }
  var factors = Floats(bitcast<Ints>(at + sizes.low) - zero);
  if (sizes.tabled != 0u) { factors = looked(at); }
  let scale = scales[group];
  var products = factors * scale;
  if (sizes.moved != 0u) {
    let exact = bitcast<Floats>(bitcast<Words>(products) ^ Words(sizes.nothing));
    products = select(exact + sizes.middle, Floats(sizes.middle), products == Floats(0.0));
  } else if (scale == 0.0) {
    products = bitcast<Floats>(bitcast<Words>(factors) & Words(0x80000000u));
  }
  return products;
}

fn groupOf(row: u32, column: u32) -> u32 { return row * sizes.row_groups + column / sizes.block; }
fn byteAt(byte: u32) -> u32 { return (codes[byte >> 2u] >> (8u * (byte & 3u))) & 255u; }`;

export const SCALARS = `
alias Words = u32;
alias Floats = f32;
alias Ints = i32;
fn largestOf(value: Words) -> u32 { return value; }
fn looked(at: Words) -> Floats { return table[at]; }`;
export const VECTORS = `
alias Words = vec4<u32>;
alias Floats = vec4<f32>;
alias Ints = vec4<i32>;
fn largestOf(value: Words) -> u32 { return max(max(value.x, value.y), max(value.z, value.w)); }
fn looked(at: Words) -> Floats { return vec4(table[at.x], table[at.y], table[at.z], table[at.w]); }`;

/** Numbers of `bits` bits, one behind the other from the lowest bit of a row on. */
export const STORED_BITS = `
fn storedAt(row: u32, column: u32) -> u32 {
  let bit = column * sizes.bits;
  let byte = row * sizes.row_bytes + (bit >> 3u);
  let shift = 8u * (byte & 3u) + (bit & 7u);
  var word = codes[byte >> 2u] >> shift;
  if (shift + sizes.bits > 32u) { word |= codes[(byte >> 2u) + 1u] << (32u - shift); }
  return word & sizes.mask;
}

/** Four numbers of bits that divide a byte lie in one word. */
fn stored4(row: u32, column: u32) -> vec4<u32> {
  if (8u % sizes.bits != 0u) {
    return vec4(storedAt(row, column), storedAt(row, column + 1u), storedAt(row, column + 2u), storedAt(row, column + 3u));
  }
  let bit = column * sizes.bits;
  let byte = row * sizes.row_bytes + (bit >> 3u);
  let word = codes[byte >> 2u] >> (8u * (byte & 3u) + (bit & 7u));
  return (vec4(word) >> (vec4(0u, 1u, 2u, 3u) * sizes.bits)) & vec4(sizes.mask);
}

/** What a row is filled up with behind its last number. */
fn restOf(row: u32) -> u32 {
  let used = (sizes.columns * sizes.bits) & 7u;
  if (used == 0u) { return 0u; }
  return byteAt((row + 1u) * sizes.row_bytes - 1u) >> used;
}`;

/** Digits to base 3, five to a byte, the lowest first. */
export const STORED_TRITS = `
fn powerOf3(exponent: u32) -> u32 { return select((0x1b090301u >> (exponent << 3u)) & 255u, 81u, exponent == 4u); }
fn storedAt(row: u32, column: u32) -> u32 {
  let group = column / 5u;
  let byte = byteAt(row * sizes.row_bytes + group);
  if (byte > 242u) { fault(); }
  return (byte / powerOf3(column - 5u * group)) % 3u;
}
fn stored4(row: u32, column: u32) -> vec4<u32> {
  return vec4(storedAt(row, column), storedAt(row, column + 1u), storedAt(row, column + 2u), storedAt(row, column + 3u));
}
fn restOf(row: u32) -> u32 {
  let used = sizes.columns % 5u;
  if (used == 0u) { return 0u; }
  return byteAt((row + 1u) * sizes.row_bytes - 1u) / powerOf3(used);
}`;

export const DECODE = `
fn element(at: u32) {
  if (at >= sizes.rows * sizes.columns) { return; }
  let row = at / sizes.columns;
  let column = at - row * sizes.columns;
  if (column == 0u && restOf(row) != 0u) { fault(); }
  values[at] = valuesOf(storedAt(row, column), groupOf(row, column));
}`;

/** Four numbers of one group. */
export const DECODE4 = `
fn element(at: u32) {
  let width = sizes.columns / 4u;
  if (at >= sizes.rows * width) { return; }
  let row = at / width;
  let column = 4u * (at - row * width);
  if (column == 0u && restOf(row) != 0u) { fault(); }
  values[at] = valuesOf(stored4(row, column), groupOf(row, column));
}`;
