import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultModelDir, encodeBytes } from 'sluice/model';
import { writeGgufModel } from '../src/model/ggufWriter.ts';
import { testSession } from '../test/model/cpu/session.ts';
import { goldenModel, prose } from '../test/model/golden.ts';
import { modelFolder } from '../test/model/modelFolder.ts';
import type { Bench } from './harness.ts';
import { RELEASED } from './model/work.ts';

const TARGET_PATCH_BYTES = 4.5;
const FILES = ['BF16', 'F16', 'Q8_0', 'Q6_K', 'Q4_K'] as const;

/**
 * What weights that are not float32 change: entropies in nats, and boundaries of the global rule at the threshold that
 * cuts the text into patches of 4.5 bytes. Embeddings and output weights are F16 in the quantized files.
 */
export default async function weights(bench: Bench): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-weights-'));
  const models = [
    { name: 'golden w512-f32', dir: goldenModel('w512-f32'), bytes: 4096 },
    { name: 'golden w24-bf16', dir: goldenModel('w24-bf16'), bytes: 4096 },
    { name: 'embedded model', dir: defaultModelDir(), bytes: 16_384 },
    { name: 'released shape, random', dir: modelFolder(RELEASED), bytes: 1024 },
  ];
  try {
    for (const { name, dir, bytes } of models) {
      const text = prose(bytes);
      const exact = await entropies(dir, text);
      const report = (form: string, found: Float32Array): void => {
        for (const { what, value, unit } of changes(exact, found)) {
          bench.report({ case: `${name}, ${form}: ${what}`, value, unit });
        }
      };
      report('int8', await entropies(dir, text, 'int8'));
      for (const type of FILES) {
        const file = path.join(folder, `${type}.gguf`);
        const { tensors } = await writeGgufModel(dir, file, type);
        const kept = tensors.filter((tensor) => tensor.type === type).length;
        if (kept > 0) report(`${type} (${kept} of ${tensors.length} tensors)`, await entropies(file, text));
        await rm(file);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function entropies(model: string, text: Uint8Array, form?: 'int8'): Promise<Float32Array> {
  const session = await testSession(model, { form, bytes: 512 << 20 });
  const tokens = Int32Array.from(encodeBytes(text, { addEos: false }));
  const result = await session.run({ tokens, position: 0, carry: false, preNorm: false, logits: false });
  await session.close();
  return result.entropies;
}

function changes(exact: Float32Array, found: Float32Array) {
  const off = exact.map((value, i) => Math.abs(value - (found[i] ?? 0)));
  const threshold = exact.toSorted().at(-Math.round(exact.length / TARGET_PATCH_BYTES)) ?? 0;
  const moved = exact.filter((value, i) => value > threshold !== (found[i] ?? 0) > threshold).length;
  return [
    { what: 'mean change', value: off.reduce((a, b) => a + b) / off.length, unit: 'nats' },
    { what: 'largest change', value: Math.max(...off), unit: 'nats' },
    { what: 'boundaries that differ', value: (100 * moved * TARGET_PATCH_BYTES) / exact.length, unit: '% of patches' },
  ];
}
