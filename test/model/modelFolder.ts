import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../src/model/config.ts';
import { expectedShapes } from '../../src/model/weights.ts';

export const smallArgs = {
  attn_bias_type: 'local_block_causal',
  dim: 32,
  n_layers: 2,
  n_heads: 4,
  sliding_window: 9,
  multiple_of: 16,
  vocab_size: 260,
};

type Tensors = Record<string, { dtype: string; shape: readonly number[]; data: Uint8Array }>;

const made: string[] = [];
process.once('exit', () => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** Writes a model folder with seeded random weights; `change` may spoil them first. */
export function modelFolder(
  args: Record<string, unknown> = smallArgs,
  change: (tensors: Tensors) => void = () => {},
): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-model-'));
  made.push(dir);
  const config = { args };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 31 - 1;
  };
  const tensors: Tensors = {};
  for (const [name, shape] of expectedShapes(parseConfig(config))) {
    const scale = shape.length === 1 ? 0.1 : name.startsWith('tok') ? 1 : 2 / Math.sqrt(shape[1]!);
    const values = Float32Array.from(
      { length: shape.reduce((a, b) => a * b) },
      () => random() * scale + (shape.length === 1 ? 1 : 0),
    );
    tensors[name] = { dtype: 'F32', shape, data: new Uint8Array(values.buffer) };
  }
  change(tensors);
  writeFileSync(join(dir, 'model.safetensors'), safetensors(tensors));
  return dir;
}

export function safetensors(
  tensors: Tensors,
  header: (fields: Record<string, unknown>) => void = () => {},
): Uint8Array {
  const fields: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    fields[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  header(fields);
  const text = Buffer.from(JSON.stringify(fields));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors).map(({ data }) => data)]);
}
