/** A column of a patch to an invocation: rows are added in their order, whatever other patches there are. */
export const MEAN_POOL = `
fn element(at: u32) {
  let width = sizes.columns / WIDTH;
  if (at >= sizes.patches * width) { return; }
  let start = min(starts[at / width], sizes.rows);
  let length = lengths[at / width];
  let end = start + min(length, sizes.rows - start);
  var sum = Value(0.0);
  for (var row = start; row < end; row++) { sum += states[row * width + at % width]; }
  means[at] = sum / f32(max(length, 1u));
}`;
