import sharp from 'sharp';
import { settledLimits } from '../src/decoders/limits.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { cutImage } from '../src/operators/pretokenize/image/cut.ts';
import { type ImageOptions, settledImage } from '../src/operators/pretokenize/image/options.ts';
import type { CutContext } from '../src/operators/pretokenize/modality.ts';
import type { Bench, Measure } from './harness.ts';

const WIDTH = 1920;
const HEIGHT = 1080;
const OCTAVES = 10;
/** How strong each octave is beside the one of twice its size. */
const FINER = 0.85;
const ROUNDS = 25;

const milliseconds: Measure = { unit: 'ms', of: (seconds) => seconds * 1e3 };

/** Something like a photograph: noise of all scales in three channels that go together, and a little grain. */
function photograph(): Uint8Array {
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const sums = new Float32Array(WIDTH * HEIGHT * 3);
  for (let octave = 0; octave < OCTAVES; octave++) {
    const cell = 512 >> octave;
    const columns = Math.ceil(WIDTH / cell) + 1;
    const nodes = Float32Array.from({ length: columns * (Math.ceil(HEIGHT / cell) + 1) * 3 }, random);
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) {
        const corner = 3 * (Math.floor(y / cell) * columns + Math.floor(x / cell));
        const [u, v] = [(x % cell) / cell, (y % cell) / cell];
        for (let c = 0; c < 3; c++) {
          const at = (step: number): number => nodes[corner + c + 3 * step] ?? 0;
          const top = at(0) * (1 - u) + at(1) * u;
          const bottom = at(columns) * (1 - u) + at(columns + 1) * u;
          const own = 3 * (y * WIDTH + x) + c;
          sums[own] = (sums[own] ?? 0) + (top * (1 - v) + bottom * v) * FINER ** octave;
        }
      }
    }
  }
  return Uint8Array.from(sums, (sum) => Math.max(0, Math.min(255, sum * 75 - 80 + 4 * random())));
}

/**
 * Pictures of 1080p to patches of 16 x 16 against sharp alone, which decodes them to RGB and does nothing more: processor
 * time for one picture, without and with the entropy of each patch, merged, and in Hilbert order. Below 1.15 is the aim.
 */
export default async function image(bench: Bench): Promise<void> {
  sharp.concurrency(1);
  sharp.cache(false);
  const picture = sharp(photograph(), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  const files = {
    jpeg: await picture.clone().jpeg({ quality: 88 }).toBuffer(),
    png: await picture.clone().png({ adaptiveFiltering: true }).toBuffer(),
    webp: await picture.clone().webp({ quality: 80 }).toBuffer(),
  } as const;
  const ways: readonly (readonly [string, ImageOptions])[] = [
    ['patches', {}],
    ['with entropy', { localEntropy: true }],
    ['merged', { merge: 1.5 }],
    ['Hilbert order', { order: 'hilbert' }],
  ];
  for (const [format, bytes] of Object.entries(files)) {
    const input = { bytes, mediaType: `image/${format}`, name: 'picture', modality: 'image', confidence: 1 } as const;
    for (const [way, options] of ways) {
      const settings = settledImage(options);
      await bench.compare({
        case: `${format}, ${Math.round(bytes.length / 1000)} kB: ${way}`,
        measure: milliseconds,
        run: () => cutImage(input, settings, context()),
        peer: { name: 'sharp alone', run: () => sharp(bytes).raw().toBuffer() },
        rounds: ROUNDS,
      });
    }
  }
}

function context(): CutContext {
  const limits = settledLimits();
  return {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes: 16 << 20,
    member: () => Promise.resolve([]),
  };
}
