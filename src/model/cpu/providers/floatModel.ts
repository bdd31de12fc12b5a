import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStamp } from '../../fileStamp.ts';
import type { ModelFile } from '../../modelFile.ts';
import { areFloat32, type Weight } from '../../weights.ts';
import { TensorReader } from '../layers/tensorReader.ts';

const PAGE = 65_536;
const CHUNK_BYTES = 1 << 20;

/** A model whose weights are all float32 in a file. */
export interface FloatModel {
  readonly model: ModelFile;
  /** Removes the file, where it was only made for this. Sessions that are open keep what they need of it. */
  release(): void;
}

/**
 * A device takes its weights from a file, once, and as float32: other weights are decoded into a temporary file first,
 * a mebibyte at a time. Throws ModelError `MODEL_FILE`, or what writing throws.
 */
export function floatModel(model: ModelFile): FloatModel {
  const { weights } = model;
  if (areFloat32(weights)) return { model, release() {} };
  const dir = mkdtempSync(join(tmpdir(), 'sluice-weights-'));
  const release = (): void => {
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch {
      // Windows keeps a file that is mapped; it goes when the process ends, or with the other temporary files
    }
  };
  process.once('exit', release);
  try {
    const path = join(dir, 'model.f32');
    return {
      model: { ...model, weights: { ...weights, path, tensors: decodeTo(path, model), stamp: fileStamp(path) } },
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

function decodeTo(path: string, { weights }: ModelFile): Map<string, Weight> {
  const widest = Math.max(...[...weights.tensors.values()].map(({ shape }) => 4 * (shape.at(-1) ?? 0)));
  const bytes = Math.max(CHUNK_BYTES, widest);
  const pages = Math.ceil((2 * bytes) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const reader = new TensorReader(weights, memory);
  const file = openSync(path, 'wx');
  const tensors = new Map<string, Weight>();
  let offset = 0;
  try {
    for (const [name, { shape }] of weights.tensors) {
      const start = offset;
      for (const { rows } of reader.decodeRows(name, 0, { address: bytes, bytes })) {
        const length = 4 * rows * (shape.at(-1) ?? 0);
        writeFileSync(file, Buffer.from(memory.buffer, 0, length));
        offset += length;
      }
      tensors.set(name, { dtype: 'F32', shape, offset: start, length: offset - start });
    }
  } finally {
    closeSync(file);
    reader.close();
  }
  return tensors;
}
