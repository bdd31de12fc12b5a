/**
 * Dot products of a polyphase filter, and samples made 16 bits, in AssemblyScript; `build.mjs` compiles it,
 * src/operators/pretokenize/audio/resampler.ts drives it.
 *
 * The sum of a sample grows in eight lanes, in order of the taps, and they are added in one order: it depends on nothing
 * but the samples under the filter. No relaxed instructions: every machine gives the same bits.
 */

/**
 * `count` samples of the output. Row p of `rows` holds the `taps` weights, a multiple of 4, for instants p / up behind a
 * sample of the input; the first instant is of row `phase`, its first tap over `input`. From one instant to the next the
 * filter moves by `down / up` samples. What it reads and writes are f32.
 */
export function resample(
  input: usize,
  rows: usize,
  taps: i32,
  up: i32,
  down: i32,
  phase: i32,
  count: i32,
  output: usize,
): void {
  const whole = (<usize>(down / up)) << 2;
  const part = down % up;
  const row = (<usize>taps) << 2;
  // instants `up` behind one another have the same weights: four of them read them once
  const period = (<usize>up) << 2;
  const step = (<usize>down) << 2;
  for (; count >= 4 * up; count -= 4 * up) {
    for (const end = output + period; output < end; output += 4) {
      four(input, step, rows + <usize>phase * row, row, output, period);
      input += whole;
      phase += part;
      if (phase >= up) {
        phase -= up;
        input += 4;
      }
    }
    input += 3 * step;
    output += 3 * period;
  }
  for (const end = output + ((<usize>count) << 2); output < end; output += 4) {
    store<f32>(output, dot(input, rows + <usize>phase * row, row));
    input += whole;
    phase += part;
    if (phase >= up) {
      phase -= up;
      input += 4;
    }
  }
}

function dot(input: usize, weights: usize, bytes: usize): f32 {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  for (const end = input + (bytes & ~31); input < end; input += 32) {
    a = f32x4.add(a, f32x4.mul(v128.load(input), v128.load(weights)));
    b = f32x4.add(b, f32x4.mul(v128.load(input, 16), v128.load(weights, 16)));
    weights += 32;
  }
  if ((bytes & 16) !== 0) a = f32x4.add(a, f32x4.mul(v128.load(input), v128.load(weights)));
  return sum(a, b);
}

function four(input: usize, step: usize, weights: usize, bytes: usize, output: usize, period: usize): void {
  let a0 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  let second = input + step;
  let third = second + step;
  let fourth = third + step;
  for (const end = input + (bytes & ~31); input < end; input += 32) {
    const v = v128.load(weights);
    a0 = f32x4.add(a0, f32x4.mul(v128.load(input), v));
    a1 = f32x4.add(a1, f32x4.mul(v128.load(second), v));
    a2 = f32x4.add(a2, f32x4.mul(v128.load(third), v));
    a3 = f32x4.add(a3, f32x4.mul(v128.load(fourth), v));
    const w = v128.load(weights, 16);
    b0 = f32x4.add(b0, f32x4.mul(v128.load(input, 16), w));
    b1 = f32x4.add(b1, f32x4.mul(v128.load(second, 16), w));
    b2 = f32x4.add(b2, f32x4.mul(v128.load(third, 16), w));
    b3 = f32x4.add(b3, f32x4.mul(v128.load(fourth, 16), w));
    weights += 32;
    second += 32;
    third += 32;
    fourth += 32;
  }
  if ((bytes & 16) !== 0) {
    const v = v128.load(weights);
    a0 = f32x4.add(a0, f32x4.mul(v128.load(input), v));
    a1 = f32x4.add(a1, f32x4.mul(v128.load(second), v));
    a2 = f32x4.add(a2, f32x4.mul(v128.load(third), v));
    a3 = f32x4.add(a3, f32x4.mul(v128.load(fourth), v));
  }
  store<f32>(output, sum(a0, b0));
  store<f32>(output + period, sum(a1, b1));
  store<f32>(output + 2 * period, sum(a2, b2));
  store<f32>(output + 3 * period, sum(a3, b3));
}

function sum(a: v128, b: v128): f32 {
  const all = f32x4.add(a, b);
  return (
    f32x4.extract_lane(all, 0) + f32x4.extract_lane(all, 1) + (f32x4.extract_lane(all, 2) + f32x4.extract_lane(all, 3))
  );
}

/** Makes `count` f32 samples i16: times `scale`, to the nearest, ties to even, within the range. Returns how many lay beyond it. */
export function quantise(input: usize, count: i32, scale: f32, output: usize): i32 {
  const factor = f32x4.splat(scale);
  const most = f32x4.splat(32767);
  const least = f32x4.splat(-32768);
  const end = output + ((<usize>count) << 1);
  let beyond: i32 = 0;
  for (const whole = output + ((<usize>(count & ~7)) << 1); output < whole; output += 16) {
    const low = f32x4.nearest(f32x4.mul(v128.load(input), factor));
    const high = f32x4.nearest(f32x4.mul(v128.load(input, 16), factor));
    const out = v128.or(
      v128.or(f32x4.gt(low, most), f32x4.lt(low, least)),
      v128.or(f32x4.gt(high, most), f32x4.lt(high, least)),
    );
    if (v128.any_true(out)) {
      beyond +=
        popcnt<i32>(i32x4.bitmask(v128.or(f32x4.gt(low, most), f32x4.lt(low, least)))) +
        popcnt<i32>(i32x4.bitmask(v128.or(f32x4.gt(high, most), f32x4.lt(high, least))));
    }
    v128.store(output, i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(low), i32x4.trunc_sat_f32x4_s(high)));
    input += 32;
  }
  for (; output < end; output += 2) {
    const value = nearest<f32>(load<f32>(input) * scale);
    if (value > 32767 || value < -32768) beyond++;
    store<i16>(output, <i16>max<f32>(-32768, min<f32>(32767, value)));
    input += 4;
  }
  return beyond;
}
