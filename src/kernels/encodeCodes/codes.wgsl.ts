/** `Value` is the bits of a number, or of four. */
export const SCALARS = `
alias Value = u32;
alias Floats = f32;
alias Ints = i32;
fn largestOf(value: Value) -> u32 { return value; }`;
export const VECTORS = `
alias Value = vec4<u32>;
alias Floats = vec4<f32>;
alias Ints = vec4<i32>;
fn largestOf(value: Value) -> u32 { return max(max(value.x, value.y), max(value.z, value.w)); }`;

/**
 * `storedOf(value, inverse, zero)`: the whole number next to (value - middle) * inverse, plus zero, within `low..high`, plus
 * the bias.
 *
 * The product is that of float32 numbers wherever it can decide a code, also on devices that take subnormal numbers for zeros
 * or make nothing good of an overflow: magnitudes m * 2^e, 1 <= m < 2, are multiplied as the product of the m, which rounds
 * as the whole does, and the sum of the e. Where the inverse is a normal number below 2^125 and the product no overflow, a
 * value that is taken for zero is one whose code is that of zero anyway, and the device's own product will do.
 */
export const CODES = `
struct Parts { mantissa: Floats, exponent: Ints }
fn partsOf(bits: Value) -> Parts {
  let magnitude = bits & Value(0x7fffffffu);
  let isSmall = magnitude < Value(0x00800000u);
  // whole numbers below 2^23 are float32 numbers
  let normal = select(magnitude, bitcast<Value>(Floats(magnitude)), isSmall);
  let mantissa = (normal & Value(0x007fffffu)) | Value(0x3f800000u) | (bits & Value(0x80000000u));
  return Parts(bitcast<Floats>(mantissa), Ints(normal >> Value(23u)) - select(Ints(127), Ints(276), isSmall));
}

fn productOf(bits: Value, inverse: u32) -> Floats {
  let exponent = inverse >> 23u;
  if (exponent - 1u < 251u && (largestOf(bits & Value(0x7fffffffu)) >> 23u) + exponent < 380u) {
    return bitcast<Floats>(bits) * bitcast<f32>(inverse);
  }
  let a = partsOf(bits);
  let b = partsOf(Value(inverse));
  // beyond these, all products round to zero, or lie outside of all codes
  let power = clamp(a.exponent + b.exponent, Ints(-30), Ints(60));
  return a.mantissa * b.mantissa * bitcast<Floats>(Value(power + Ints(127)) << Value(23u));
}

fn roundedOf(number: Floats) -> Floats {
  if (sizes.away == 0u) { return round(number); }
  let whole = trunc(number);
  return whole + select(Floats(0.0), sign(number), abs(number - whole) >= Floats(0.5));
}

fn centredOf(bits: Value) -> Value {
  if (sizes.middle == 0.0) { return bits; }
  return bitcast<Value>(bitcast<Floats>(bits) - sizes.middle);
}

fn storedOf(bits: Value, inverse: u32, zero: i32) -> Value {
  // codes have 16 bits at the most, and zeros no more than codes
  let product = clamp(productOf(centredOf(bits), inverse), Floats(-1048576.0), Floats(1048576.0));
  let low = Ints(bitcast<i32>(sizes.low));
  let high = Ints(bitcast<i32>(sizes.high));
  let code = clamp(Ints(roundedOf(product)) + Ints(zero), low, high);
  return bitcast<Value>(code) + Value(sizes.bias);
}

fn groupOf(row: u32, column: u32) -> u32 { return row * sizes.row_groups + column / sizes.block; }
fn zeroOf(group: u32) -> i32 {
  if (sizes.shifted == 0u) { return 0; }
  return zeros[group];
}`;

/** `storedAt`, the stored number of a place, and 0 behind the end of a row. */
export const STORED_AT = `
fn storedAt(row: u32, column: u32) -> u32 {
  if (column >= sizes.columns) { return 0u; }
  let group = groupOf(row, column);
  return storedOf(input[row * sizes.columns + column], inverses[group], zeroOf(group));
}`;

/**
 * Stored numbers of `width()` bits, packed. Numbers may lie across the ends of words, and words across the ends of rows: each
 * word is written by one invocation.
 */
export const PACK_BITS = `
fn element(at: u32) {
  if (at >= sizes.words) { return; }
  let mask = (1u << width()) - 1u;
  let rowBits = 8u * sizes.row_bytes;
  var row = 4u * at / sizes.row_bytes;
  var bit = 8u * (4u * at % sizes.row_bytes);
  var word = 0u;
  var filled = 0u;
  while (filled < 32u && row < sizes.rows) {
    let column = bit / width();
    let begun = bit - column * width();
    word |= ((storedAt(row, column) & mask) >> begun) << filled;
    let taken = min(width() - begun, rowBits - bit);
    bit += taken;
    filled += taken;
    if (bit == rowBits) {
      row += 1u;
      bit = 0u;
    }
  }
  codes[at] = word;
}`;

/** The same where rows are whole words, and the codes of a word are of one group. */
export const PACK_WORDS = `
fn element(at: u32) {
  if (at >= sizes.words) { return; }
  let bits = sizes.bits;
  let each = 32u / bits;
  let group = groupOf(at * each / sizes.columns, at * each % sizes.columns);
  let inverse = inverses[group];
  let zero = zeroOf(group);
  let mask = Value((1u << bits) - 1u);
  var word = 0u;
  for (var i = 0u; i < each; i += 4u) {
    let stored = (storedOf(input[(at * each + i) >> 2u], inverse, zero) & mask) << ((vec4(0u, 1u, 2u, 3u) + i) * bits);
    word |= stored.x | stored.y | stored.z | stored.w;
  }
  codes[at] = word;
}`;

/** Five numbers 0..2 to a byte, the first one being the lowest digit to base 3. */
export const PACK_TRITS = `
fn element(at: u32) {
  if (at >= sizes.words) { return; }
  var word = 0u;
  for (var byte = 0u; byte < 4u; byte++) {
    let row = (4u * at + byte) / sizes.row_bytes;
    if (row >= sizes.rows) { break; }
    let first = 5u * ((4u * at + byte) % sizes.row_bytes);
    var number = 0u;
    for (var digit = 5u; digit > 0u; digit--) { number = 3u * number + storedAt(row, first + digit - 1u); }
    word |= number << (8u * byte);
  }
  codes[at] = word;
}`;

/** Whether numbers are greater than -2^-126: by their bits, since devices may take subnormal numbers for zeros. */
export const SIGN_AT = `
fn width() -> u32 { return 1u; }
fn storedAt(row: u32, column: u32) -> u32 {
  if (column >= sizes.columns) { return 0u; }
  return select(0u, 1u, input[row * sizes.columns + column] < 0x80800000u);
}`;

/** The same where rows are whole words. */
export const SIGN_WORDS = `
fn element(at: u32) {
  if (at >= sizes.words) { return; }
  var word = 0u;
  for (var i = 0u; i < 8u; i++) {
    let signs = select(vec4(0u), vec4(1u, 2u, 4u, 8u), input[8u * at + i] < vec4(0x80800000u));
    word |= (signs.x | signs.y | signs.z | signs.w) << (4u * i);
  }
  codes[at] = word;
}`;
