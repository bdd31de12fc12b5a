/** `e^-|z|` never overflows: `1 / (1 + e^-z)` is `1 / (1 + e)` for z >= 0 and `e / (1 + e)` below. */
export const SILU_GATE = `
fn element(at: u32) {
  let width = sizes.columns / WIDTH;
  if (at >= sizes.rows * width) { return; }
  let first = at / width * 2u * width + at % width;
  let gate = gateUp[first];
  let e = exp(-abs(gate));
  gated[at] = gate * select(e, Value(1.0), gate >= Value(0.0)) / (e + 1.0) * gateUp[first + width];
}`;
