/**
 * Online softmax: with m the largest logit so far, `mass` is the sum of e^(x - m); a larger logit turns it to the new m.
 * A compiler may take it that there are no infinities, so minus infinity becomes LEAST as soon as it is read. It lies so
 * far below FLOOR, the m of no logits at all, that masked logits have no mass even where there are no others.
 */
export const SOFTMAX = `
const FLOOR = -1e36;
const LEAST = -1e37;

fn start() -> Sums { return Sums(FLOOR, 0.0); }

fn turned(sums: Sums, largest: f32) -> Sums {
  return Sums(largest, sums.mass * exp(sums.largest - largest));
}

fn fold(sums: Sums, given: f32) -> Sums {
  let logit = max(given, LEAST);
  var next = sums;
  if (logit > sums.largest) { next = turned(sums, logit); }
  return Sums(next.largest, next.mass + exp(logit - next.largest));
}

fn merge(a: Sums, b: Sums) -> Sums {
  let largest = max(a.largest, b.largest);
  return Sums(largest, turned(a, largest).mass + turned(b, largest).mass);
}

fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  // the largest logit alone has a mass of 1
  let scale = 1.0 / max(sums.mass, 0.5);
  let first = row * width();
  for (var i = lane; i < width(); i += lanes) {
    probabilities[first + i] = exp(max(logits[first + i], Value(LEAST)) - sums.largest) * scale;
  }
}`;

/** One turn for four logits. */
export const SOFTMAX_FOLD4 = `
fn fold4(sums: Sums, given: vec4<f32>) -> Sums {
  let logits = max(given, vec4(LEAST));
  let largest = max(max(logits.x, logits.y), max(logits.z, logits.w));
  var next = sums;
  if (largest > sums.largest) { next = turned(sums, largest); }
  return Sums(next.largest, next.mass + dot(exp(logits - next.largest), vec4(1.0)));
}`;
