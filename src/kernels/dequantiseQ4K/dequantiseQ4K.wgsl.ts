/** All blocks as one row of weights. */
export const DEQUANTISE_Q4K = `
fn groups() -> u32 { return sizes.count / WIDTH; }
fn element(at: u32) {
  if (at >= groups()) { return; }
  values[at] = weights4(blockOf(0u, at >> 3u), at & 7u);
}`;
