/**
 * Steps that are chosen one by one, for means and in a search: part of quantize.as.ts. Kinds of steps and answers are those of
 * quantizeSteps.as.ts.
 */
import { fromHalves, LEAST_HALF, LEAST_STEP, MOST_HALF, SMALLEST_NORMAL } from './quantizeSteps.as';

/** What the last `chooseStep` found: the binary16 number where that is what is kept, the step, and its inverse. */
let chosenHalf: u32 = 0;
let chosenStep: f32 = 0;
let chosenInverse: f32 = 0;

/** False where the kind cannot hold the step whose multiples up to `divisor`, in binary16 up to `reach`, reach `most`. */
function chooseStep(most: f32, divisor: f32, reach: f32, kind: i32): bool {
  chosenHalf = 0;
  chosenStep = 0;
  chosenInverse = 0;
  if (most < SMALLEST_NORMAL) return true;
  const exact = most / divisor;
  if (kind === 0) {
    if (exact < LEAST_STEP) return true;
    chosenStep = exact;
  } else {
    if (kind === 1 && exact < LEAST_HALF) return false;
    const bits = reinterpret<u32>(exact);
    if (bits >= 0x477ff000) return false;
    chosenHalf =
      exact < LEAST_HALF
        ? reinterpret<u32>(exact + 0.5) - reinterpret<u32>(0.5 as f32)
        : (bits - 0x37fff001 + ((bits >> 13) & 1)) >> 13;
    chosenStep = fromHalf(chosenHalf);
    if (most > chosenStep * reach) {
      chosenHalf++;
      chosenStep = fromHalf(chosenHalf);
    }
    if (chosenHalf > MOST_HALF) return false;
    if (chosenHalf === 0) return true;
  }
  chosenInverse = (1 as f32) / chosenStep;
  return chosenInverse >= SMALLEST_NORMAL;
}

function fromHalf(half: u32): f32 {
  return f32x4.extract_lane(fromHalves(i32x4.splat(half)), 0);
}

function storeStep(stored: usize, group: usize, kind: i32): void {
  if (kind === 0) store<f32>(stored + (group << 2), chosenStep);
  else store<u16>(stored + (group << 1), chosenHalf);
}

function zeroOf(least: f32, low: i32, high: i32): i32 {
  return min(low - (nearest<f32>(least * chosenInverse) as i32), high);
}

/** The mean of each row's magnitudes as its step, from `addMagnitudes`. */
export function meanSteps(sums: usize, rows: usize, columns: f64, kind: i32, inverses: usize, stored: usize): i32 {
  let wrong = -1;
  for (let row: usize = 0; row < rows; row++) {
    const total = load<f64>(sums) + load<f64>(sums, 16) + (load<f64>(sums, 8) + load<f64>(sums, 24));
    sums += 32;
    if (!chooseStep((total / columns) as f32, 1, Infinity as f32, kind) && wrong < 0) wrong = row as i32;
    store<f32>(inverses + (row << 2), chosenInverse);
    storeStep(stored, row, kind);
  }
  return wrong;
}

/**
 * The best of twelve steps for each group: for its extremes times 32/32, 31/32 ... 21/32, the first with the least sum of
 * squared errors. Errors are in steps, float32, and summed in four sums, one for columns 0, 4, 8 ... of the group. Without
 * `zeros` (0) the range is that of the largest magnitude on both sides, with it that from the least to the largest value.
 */
export function searchSteps(
  source: usize,
  rows: usize,
  columns: usize,
  block: usize,
  leasts: usize,
  mosts: usize,
  low: i32,
  high: i32,
  kind: i32,
  inverses: usize,
  zeros: usize,
  stored: usize,
): i32 {
  let wrong = -1;
  let group: usize = 0;
  for (; rows > 0; rows--) {
    for (let left = columns; left > 0; ) {
      const length = min(left, block);
      left -= length;
      let least: f32 = zeros === 0 ? 0 : load<f32>(leasts + (group << 2));
      if (least > -SMALLEST_NORMAL) least = 0;
      const most = load<f32>(mosts + (group << 2));
      const width = (zeros === 0 ? high : high - low) as f32;
      let best: f64 = Infinity;
      for (let shrunk: f32 = 32; shrunk > 20; shrunk--) {
        const part = shrunk / 32;
        const isHeld =
          zeros === 0
            ? chooseStep(most * part, width, width + 0.5, kind)
            : chooseStep(most * part * 0.5 - least * part * 0.5, width / 2, (width + 0.5) / 2, kind);
        if (!isHeld) {
          if (shrunk === 32 && wrong < 0) wrong = group as i32;
          break;
        }
        // a step that is too small to be kept makes zeros of all, and no error in steps
        if (chosenInverse === 0 && shrunk < 32) break;
        const zero = zeros === 0 ? 0 : zeroOf(least * part, low, high);
        const error = errorOf(source, length, low - zero, high - zero);
        if (error >= best) continue;
        best = error;
        store<f32>(inverses + (group << 2), chosenInverse);
        storeStep(stored, group, kind);
        if (zeros !== 0) store<i32>(zeros + (group << 2), zero);
      }
      source += length << 2;
      group++;
    }
  }
  return wrong;
}

function errorOf(source: usize, length: usize, low: i32, high: i32): f64 {
  const lows = f32x4.splat(low as f32);
  const highs = f32x4.splat(high as f32);
  let sums = i32x4.splat(0);
  const end = source + (length << 2);
  for (; source < end; source += 16) {
    let numbers = v128.load(source);
    const left = end - source;
    if (left < 16) {
      // as many lanes as there are bytes left
      const lanes = i32x4(0, 1, 2, 3);
      numbers = v128.and(numbers, i32x4.lt_u(i32x4.mul(lanes, i32x4.splat(4)), i32x4.splat(left as i32)));
    }
    const products = f32x4.mul(numbers, f32x4.splat(chosenInverse));
    const off = f32x4.sub(products, f32x4.nearest(f32x4.pmin(highs, f32x4.pmax(lows, products))));
    sums = f32x4.add(sums, f32x4.mul(off, off));
  }
  const lanes =
    (f32x4.extract_lane(sums, 0) as f64) +
    (f32x4.extract_lane(sums, 2) as f64) +
    ((f32x4.extract_lane(sums, 1) as f64) + (f32x4.extract_lane(sums, 3) as f64));
  return lanes * (chosenStep as f64) * (chosenStep as f64);
}
