import { type Axes, normOf } from './axes.ts';

/** Where patches lie about the centre, in all dimensions and in three. */
export interface Sphere {
  /** f32[P * dim]: direction of the embedding, times the radius. Zeros for an embedding that has no direction. */
  readonly coords: Float32Array;
  /** f32[P]: angle from z, 0 to pi, of the direction seen along three axes. 0 where there is none. */
  readonly theta: Float32Array;
  /** f32[P]: angle about z, from x, -pi to pi. */
  readonly phi: Float32Array;
  /** f32[P * 3]: the point that radius, theta and phi name. */
  readonly cartesian: Float32Array;
  /** Patches whose embedding has no direction. */
  readonly undirected: number;
}

/**
 * Places patches at their radii in the direction of their embeddings. Every finite input gives finite numbers.
 *
 * @param embeddings f32[P * dim]
 * @param radii f32[P]
 */
export function placed(embeddings: Float32Array, radii: Float32Array, axes: Axes): Sphere {
  const { dim } = axes;
  const count = radii.length;
  const sphere = {
    coords: new Float32Array(count * dim),
    theta: new Float32Array(count),
    phi: new Float32Array(count),
    cartesian: new Float32Array(count * 3),
    undirected: 0,
  };
  const unit = new Float64Array(dim);
  for (let p = 0; p < count; p++) {
    const radius = radii[p] ?? 0;
    const norm = normOf(embeddings, p * dim, dim);
    if (norm === 0) sphere.undirected++;
    for (let d = 0; d < dim; d++) {
      unit[d] = norm === 0 ? 0 : (embeddings[p * dim + d] ?? 0) / norm;
      sphere.coords[p * dim + d] = (unit[d] ?? 0) * radius;
    }
    const [theta, phi] = norm === 0 ? [0, 0] : angles(unit, axes);
    sphere.theta[p] = theta;
    sphere.phi[p] = phi;
    sphere.cartesian.set(
      [radius * Math.sin(theta) * Math.cos(phi), radius * Math.sin(theta) * Math.sin(phi), radius * Math.cos(theta)],
      3 * p,
    );
  }
  return sphere;
}

function angles(unit: Float64Array, { mean, axes }: Axes): [number, number] {
  const [x, y, z] = axes.map((axis) => {
    let sum = 0;
    for (let d = 0; d < axis.length; d++) sum += ((unit[d] ?? 0) - (mean[d] ?? 0)) * (axis[d] ?? 0);
    return sum;
  }) as [number, number, number];
  const length = Math.hypot(x, y, z);
  if (length === 0) return [0, 0];
  return [Math.acos(Math.max(-1, Math.min(1, z / length))), Math.atan2(y, x)];
}
