/** The sum of squares in one reading; the row is read again, out of the cache, where it is scaled. */
export const RMS_NORM = `
fn start() -> Sums { return Sums(0.0); }
fn fold(sums: Sums, value: f32) -> Sums { return Sums(sums.squares + value * value); }
fn merge(a: Sums, b: Sums) -> Sums { return Sums(a.squares + b.squares); }

fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  let scale = inverseSqrt(sums.squares / f32(sizes.columns) + sizes.epsilon);
  let first = row * width();
  for (var i = lane; i < width(); i += lanes) {
    normed[first + i] = states[first + i] * scale * weight[i];
  }
}`;

export const RMS_NORM_FOLD4 = `
fn fold4(sums: Sums, values: vec4<f32>) -> Sums { return Sums(sums.squares + dot(values, values)); }`;
