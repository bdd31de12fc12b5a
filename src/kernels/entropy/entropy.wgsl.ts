/**
 * Online entropy: with m the largest logit so far, `mass` is the sum of e^(x - m) and `weighted` the sum of
 * (x - m) e^(x - m); then H = ln mass - weighted / mass. A larger logit turns both sums to the new m, so that the logits
 * are read once.
 */
export const ENTROPY_SUMS = ['largest', 'mass', 'weighted'] as const;

export const ENTROPY = `
fn start() -> Sums { return Sums(-3e38, 0.0, 0.0); }

fn turned(sums: Sums, largest: f32) -> Sums {
  let shift = sums.largest - largest;
  let scale = exp(shift);
  return Sums(largest, sums.mass * scale, (sums.weighted + sums.mass * shift) * scale);
}

fn fold(sums: Sums, logit: f32) -> Sums {
  var next = sums;
  if (logit > sums.largest) { next = turned(sums, logit); }
  let shift = logit - next.largest;
  let mass = exp(shift);
  return Sums(next.largest, next.mass + mass, next.weighted + shift * mass);
}

fn merge(a: Sums, b: Sums) -> Sums {
  let largest = max(a.largest, b.largest);
  let x = turned(a, largest);
  let y = turned(b, largest);
  return Sums(largest, x.mass + y.mass, x.weighted + y.weighted);
}

fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  if (lane == 0u) { entropies[row] = max(log(sums.mass) - sums.weighted / sums.mass, 0.0); }
}`;

/** One turn for four logits. */
export const ENTROPY_FOLD4 = `
fn fold4(sums: Sums, logits: vec4<f32>) -> Sums {
  let largest = max(max(logits.x, logits.y), max(logits.z, logits.w));
  var next = sums;
  if (largest > sums.largest) { next = turned(sums, largest); }
  let shifts = logits - next.largest;
  let masses = exp(shifts);
  return Sums(next.largest, next.mass + dot(masses, vec4(1.0)), next.weighted + dot(shifts, masses));
}`;
