/**
 * Dot products of a polyphase filter, and samples made 16 bits, in AssemblyScript; `build.mjs` compiles it,
 * src/operators/pretokenize/audio/resampler.ts and quantiser.ts drive it.
 *
 * The sum of a sample grows in sixteen lanes, in order of the taps, and they are added in one order: it depends on nothing
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
  const whole = <usize>(down / up) << 2;
  const part = down % up;
  const row = <usize>taps << 2;
  for (const end = output + (<usize>count << 2); output < end; output += 4) {
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
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  const end = input + bytes;
  for (const whole = input + (bytes & ~63); input < whole; input += 64) {
    a = f32x4.add(a, f32x4.mul(v128.load(input), v128.load(weights)));
    b = f32x4.add(b, f32x4.mul(v128.load(input, 16), v128.load(weights, 16)));
    c = f32x4.add(c, f32x4.mul(v128.load(input, 32), v128.load(weights, 32)));
    d = f32x4.add(d, f32x4.mul(v128.load(input, 48), v128.load(weights, 48)));
    weights += 64;
  }
  for (; input < end; input += 16) {
    a = f32x4.add(a, f32x4.mul(v128.load(input), v128.load(weights)));
    weights += 16;
  }
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return (
    f32x4.extract_lane(sum, 0) +
    f32x4.extract_lane(sum, 1) +
    (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  );
}

/** Makes `count` f32 samples i16: times `scale`, to the nearest, ties to even, within the range. Returns how many lay beyond it. */
export function quantise(input: usize, count: i32, scale: f32, output: usize): i32 {
  const factor = f32x4.splat(scale);
  const most = f32x4.splat(32767);
  const least = f32x4.splat(-32768);
  const end = output + (<usize>count << 1);
  let beyond: i32 = 0;
  for (const whole = output + (<usize>(count & ~7) << 1); output < whole; output += 16) {
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
