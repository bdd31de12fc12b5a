import { fromF16, scaleF16, toF16 } from './half.ts';

/** A block without its weights, which follow from it: each is the nearest that there is. */
interface Steps {
  /** Binary16. */
  readonly d: number;
  /** One signed byte for each sub-block. */
  readonly scales: Int8Array;
  /** Sum of the squared errors. */
  readonly error: number;
}

/**
 * What the value of the largest magnitude may become. The weights reach from -32 to 31, so it is put on the negative side:
 * the scale takes the other sign.
 */
const EXTREMES = Float64Array.from({ length: 12 }, (_, i) => -(28.5 + 0.5 * i));

/**
 * Encodes Q6_K blocks: 256 values in 16 sub-blocks of 16, `d * scale * weight`. For each sub-block the scale of least
 * squares is searched over several ranges; then it is put into the steps that the block's binary16 number allows, and that
 * number is fitted again to what came out.
 */
export function encodeQ6K(source: Float32Array, target: Uint8Array): void {
  for (let from = 0, to = 0; from < source.length; from += 256, to += 210) {
    const values = source.subarray(from, from + 256);
    pack(values, bestSteps(values), target, to);
  }
}

function bestSteps(values: Float32Array): Steps {
  const wanted = Array.from({ length: 16 }, (_, sub) => bestScale(values.subarray(16 * sub, 16 * sub + 16)));
  const d = scaleF16(Math.max(...wanted.map(Math.abs)), 127);
  const first = stepsFor(values, wanted, d);
  const second = stepsFor(values, wanted, refitted(values, first));
  return second.error < first.error ? second : first;
}

function bestScale(values: Float32Array): number {
  let extreme = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  if (extreme === 0) return 0;
  let best = 0;
  let most = 0;
  for (const place of EXTREMES) {
    const inverse = place / extreme;
    let qq = 0;
    let qx = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0;
      const weight = nearest(value, inverse);
      qq += weight * weight;
      qx += weight * value;
    }
    // the squared error falls by this much
    const gain = (qx * qx) / qq;
    if (gain <= most) continue;
    most = gain;
    best = qx / qq;
  }
  return best;
}

/** The best signed byte for every sub-block, next to its scale. */
function stepsFor(values: Float32Array, wanted: readonly number[], d: number): Steps {
  const step = fromF16(d);
  const scales = new Int8Array(16);
  let total = 0;
  for (const [sub, scale] of wanted.entries()) {
    const part = values.subarray(16 * sub, 16 * sub + 16);
    let least = Number.POSITIVE_INFINITY;
    const middle = step === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(scale / step)));
    for (const candidate of [middle, middle - 1, middle + 1]) {
      if (candidate > 127) continue;
      const error = errorOf(part, step * candidate);
      if (error >= least) continue;
      least = error;
      scales[sub] = candidate;
    }
    total += least;
  }
  return { d, scales, error: total };
}

function errorOf(values: Float32Array, scale: number): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const off = value - scale * nearest(value, inverse);
    error += off * off;
  }
  return error;
}

/** The binary16 number of least squares for the block's weights and scales. */
function refitted(values: Float32Array, { d, scales }: Steps): number {
  let aa = 0;
  let ax = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const scale = scales[i >> 4] ?? 0;
    const a = scale === 0 ? 0 : scale * nearest(value, 1 / (fromF16(d) * scale));
    aa += a * a;
    ax += a * value;
  }
  return ax > 0 ? toF16(ax / aa) : d;
}

function nearest(value: number, inverse: number): number {
  const weight = value * inverse + 32.5;
  return weight >= 63 ? 31 : weight > 0 ? (weight | 0) - 32 : -32;
}

function pack(values: Float32Array, { d, scales }: Steps, target: Uint8Array, to: number): void {
  const step = fromF16(d);
  const weights = values.map((value, i) => {
    const scale = step * (scales[i >> 4] ?? 0);
    return nearest(value, scale === 0 ? 0 : 1 / scale) + 32;
  });
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 32; i++) {
      const weight = (quarter: number): number => weights[128 * half + 32 * quarter + i] ?? 0;
      target[to + 64 * half + i] = (weight(0) & 15) | ((weight(2) & 15) << 4);
      target[to + 64 * half + 32 + i] = (weight(1) & 15) | ((weight(3) & 15) << 4);
      target[to + 128 + 32 * half + i] =
        (weight(0) >> 4) | ((weight(1) >> 4) << 2) | ((weight(2) >> 4) << 4) | ((weight(3) >> 4) << 6);
    }
  }
  target.set(Uint8Array.from(scales), to + 192);
  target.set([d, d >>> 8], to + 208);
}
