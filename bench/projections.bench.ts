import { BandIndex } from '../src/lsh/bandIndex.ts';
import { normalAt } from '../src/lsh/hyperplanes.ts';
import { bandingForCosine } from '../src/lsh/projections.ts';
import { Projector } from '../src/lsh/projector.ts';
import { randomNormals, randomVector } from '../test/lsh/vectors.ts';
import type { Bench, Measure } from './harness.ts';

const VECTORS = 2048;
/** Of them, for the plain loop. */
const FEW = 128;
/** What the index holds while it is timed, and more with every round. */
const HELD = 50_000;
const ROUNDS = 12;
const WARM_UP = 3;

/**
 * Signatures of vectors by signed random projections, on one thread: vectors a second and billions of multiplications and
 * additions a second, against the same loops in plain JavaScript over a `Float32Array`. 128 is the width of the model that
 * comes with the package, 768 that of the released one. Then what one vector costs in an index of bits: a search and an
 * addition.
 */
export default async function projections(bench: Bench): Promise<void> {
  for (const dim of [128, 768]) {
    for (const bits of [256, 512]) {
      const normal = randomNormals(dim);
      const vectors = Array.from({ length: VECTORS }, () => randomVector(normal, dim));
      const few = vectors.slice(0, FEW);
      const projector = new Projector({ dim, bits });
      const planes = Float32Array.from({ length: bits * dim }, (_, i) => normalAt(Math.floor(i / dim), i % dim));
      const perSecond =
        (unit: string, work: number) =>
        (count: number): Measure => ({
          unit,
          of: (seconds) => (count * work) / seconds,
        });
      for (const measure of [perSecond('vectors/s', 1), perSecond('GFLOP/s', 2e-9 * bits * dim)]) {
        await bench.compare({
          case: `${dim} numbers to ${bits} bits`,
          measure: measure(VECTORS),
          run: () => projector.sign(vectors),
          peer: {
            name: 'plain loops',
            measure: measure(FEW),
            run: () => few.map((vector) => plainSignature(vector, planes)),
          },
        });
      }
    }
  }
  await indexing(bench);
}

function plainSignature(vector: Float32Array, planes: Float32Array): Uint16Array {
  const { length: dim } = vector;
  const bits = planes.length / dim;
  const words = new Uint16Array(bits / 16);
  for (let bit = 0, at = 0; bit < bits; bit++) {
    let sum = 0;
    for (let i = 0; i < dim; i++, at++) sum += (vector[i] ?? 0) * (planes[at] ?? 0);
    if (sum < 0) words[bit >>> 4] = (words[bit >>> 4] ?? 0) | (1 << (bit & 15));
  }
  return words;
}

/** Unrelated vectors: what they cost is the index itself, and comparisons of those that share a band by chance. */
async function indexing(bench: Bench): Promise<void> {
  const normal = randomNormals(3);
  const bits = 512;
  const banding = bandingForCosine(0.9, bits);
  const projector = new Projector({ dim: 128, bits });
  const index = new BandIndex({ bits, banding, documents: 4 * HELD });
  let id = 0;
  const add = (count: number): void => {
    const vectors = Array.from({ length: count }, () => randomVector(normal, 128));
    for (const signature of projector.sign(vectors)) if (signature !== undefined) index.add(id++, signature);
  };
  add(HELD);
  // every round with vectors that have not been there
  const vectors = Array.from({ length: ROUNDS * VECTORS }, () => randomVector(normal, 128));
  const signatures = projector.sign(vectors);
  let round = 0;
  await bench.compare({
    case: `${banding.bands} bands of ${banding.rows} bits, ${HELD} held`,
    measure: { unit: 'us/vector', of: (seconds) => (seconds / VECTORS) * 1e6 },
    run: () => {
      for (const signature of signatures.slice(round++ * VECTORS, round * VECTORS)) {
        if (signature === undefined) continue;
        index.matches(signature, 0.8);
        index.add(id++, signature);
      }
    },
    rounds: ROUNDS - WARM_UP,
    warmUp: WARM_UP,
  });
}
