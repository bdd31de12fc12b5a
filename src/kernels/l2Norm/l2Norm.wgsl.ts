export const L2_NORM = `
fn start() -> Sums { return Sums(0.0); }
fn fold(sums: Sums, value: f32) -> Sums { return Sums(sums.squares + value * value); }
fn merge(a: Sums, b: Sums) -> Sums { return Sums(a.squares + b.squares); }

fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  if (lane == 0u) { norms[row] = sqrt(sums.squares); }
}`;

export const L2_NORM_FOLD4 = `
fn fold4(sums: Sums, values: vec4<f32>) -> Sums { return Sums(sums.squares + dot(values, values)); }`;
