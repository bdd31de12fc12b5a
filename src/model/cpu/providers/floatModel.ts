import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStamp } from '../../fileStamp.ts';
import { FloatRows } from '../../floatRows.ts';
import type { ModelFile } from '../../modelFile.ts';
import type { Weight } from '../../weight.ts';
import { areFloat32 } from '../../weights.ts';

/** What a device makes of rows of a tensor before it computes with them; undefined where it takes them as they are. */
export type Rounding = (name: string, rows: Float32Array, inputs: number) => Float32Array | undefined;

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
export function floatModel(model: ModelFile, round?: Rounding): FloatModel {
  const { weights } = model;
  if (areFloat32(weights) && round === undefined) return { model, release() {} };
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
      model: { ...model, weights: { ...weights, path, tensors: decodeTo(path, model, round), stamp: fileStamp(path) } },
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

function decodeTo(path: string, { weights }: ModelFile, round: Rounding | undefined): Map<string, Weight> {
  const source = new FloatRows(weights);
  const file = openSync(path, 'wx');
  const tensors = new Map<string, Weight>();
  let offset = 0;
  try {
    for (const [name, { shape }] of weights.tensors) {
      const start = offset;
      for (const decoded of source.of(name)) {
        const rows = round?.(name, decoded, shape.at(-1) ?? 0) ?? decoded;
        writeFileSync(file, Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength));
        offset += rows.byteLength;
      }
      tensors.set(name, { dtype: 'F32', shape, offset: start, length: offset - start });
    }
  } finally {
    closeSync(file);
    source.close();
  }
  return tensors;
}
