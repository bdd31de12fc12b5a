/**
 * Numbers are compared as whole ones whose order is that of the numbers, since a device may take subnormal numbers for zeros
 * and does as it likes with what is no number: that comes before minus infinity or behind infinity.
 */
export const ROW_EXTREMES = `
fn orderOf(bits: u32) -> u32 { return bits ^ (bitcast<u32>(bitcast<i32>(bits) >> 31u) | 0x80000000u); }
fn bitsOf(order: u32) -> u32 { return order ^ select(0xffffffffu, 0x80000000u, order >= 0x80000000u); }

fn start() -> Sums { return Sums(0xffffffffu, 0u); }
fn fold(sums: Sums, value: u32) -> Sums {
  let order = orderOf(value);
  return Sums(min(sums.least, order), max(sums.largest, order));
}
fn merge(a: Sums, b: Sums) -> Sums { return Sums(min(a.least, b.least), max(a.largest, b.largest)); }

fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  if (lane == 0u) {
    least[row] = bitsOf(sums.least);
    largest[row] = bitsOf(sums.largest);
  }
}`;

export const ROW_EXTREMES_FOLD4 = `
fn fold4(sums: Sums, values: vec4<u32>) -> Sums {
  let order = values ^ (bitcast<vec4<u32>>(bitcast<vec4<i32>>(values) >> vec4(31u)) | vec4(0x80000000u));
  let least = min(order.xy, order.zw);
  let largest = max(order.xy, order.zw);
  return Sums(min(sums.least, min(least.x, least.y)), max(sums.largest, max(largest.x, largest.y)));
}`;

/** The last group of a line may be shorter than the others. */
export const ROW_EXTREMES_RANGE = `
fn rangeOf(group: u32) -> vec2<u32> {
  let line = sizes.line / (sizes.columns / width());
  let groups = (line + width() - 1u) / width();
  let first = (group / groups) * line;
  let begin = (group % groups) * width();
  return vec2(first + begin, first + min(begin + width(), line));
}`;
