import { randomNumbers } from './texts.ts';

/** Numbers from a normal distribution, seeded. */
export function randomNormals(seed: number): () => number {
  const next = randomNumbers(seed);
  const uniform = (): number => (next() + 0.5) / 2 ** 32;
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

export function randomVector(normal: () => number, dim: number): Float32Array {
  return Float32Array.from({ length: dim }, normal);
}

/** Two vectors of one length with about this cosine; take the exact one from {@link cosine}. */
export function vectorPair(normal: () => number, dim: number, wanted: number): [Float32Array, Float32Array] {
  const a = randomVector(normal, dim);
  const b = randomVector(normal, dim);
  const part = cosine(a, b);
  const [sizeA, sizeB] = [size(a), size(b)];
  const upright = Math.sqrt(1 - part ** 2);
  const sine = Math.sqrt(1 - wanted ** 2);
  const turned = a.map((x, i) => wanted * x + (sizeA * sine * ((b[i] ?? 0) / sizeB - (x / sizeA) * part)) / upright);
  return [a, turned];
}

export function cosine(a: Float32Array, b: Float32Array): number {
  return dot(a, b) / (size(a) * size(b));
}

export const size = (a: Float32Array): number => Math.sqrt(dot(a, a));
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
