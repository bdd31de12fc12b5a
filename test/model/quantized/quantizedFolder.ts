import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSafetensorsHeader } from '../../../src/formats/safetensors/read.ts';
import { type ModelFile, readModelFile } from '../../../src/model/modelFile.ts';
import { dequantizedMatrix, type QuantizedMatrix, type QuantizedType } from '../../../src/model/quantized/matrix.ts';
import { roundToNearest } from '../../../src/model/quantized/roundToNearest.ts';
import {
  type FloatType,
  type TensorMaker,
  writeQuantizedModel,
} from '../../../src/model/quantized/writeQuantizedModel.ts';
import { isLayerMatrix } from '../../../src/model/weights.ts';
import { modelFolder } from '../modelFolder.ts';

/** Inputs of 18, 78 and 211: no multiples of 4, 5, 8, 32 or 64, one of them odd; 78 are a block of 64 and a part of one. */
export const oddArgs = {
  attn_bias_type: 'local_block_causal',
  dim: 78,
  n_layers: 2,
  n_heads: 3,
  head_dim: 6,
  sliding_window: 9,
  multiple_of: 1,
  ffn_dim_multiplier: 1.015,
  vocab_size: 260,
};

/** Float32 values of a folder's tensor. */
export function valuesOf(dir: string, name: string): Float32Array {
  const file = readFileSync(join(dir, 'model.safetensors'));
  const { offset, length } = parseSafetensorsHeader(file, file.length).tensors.get(name)!;
  return new Float32Array(new Uint8Array(file.subarray(offset, offset + length)).buffer);
}

/** Makers of all linear weights of a float32 folder, rounded to nearest. */
export function roundedMatrices(
  { path, weights }: ModelFile,
  type: QuantizedType,
): Map<string, TensorMaker<QuantizedMatrix>> {
  const linear = [...weights.tensors].filter(([name, { shape }]) => isLayerMatrix(name, shape));
  return new Map(
    linear.map(([name, { shape }]) => [name, () => roundToNearest(type, valuesOf(path, name), shape[0]!, shape[1]!)]),
  );
}

/** Writes a folder with random weights in fewer bits, and one with what they stand for as float32. */
export async function quantizedFolder(
  target: string,
  type: QuantizedType,
  args: Record<string, unknown> = oddArgs,
  floats: FloatType = 'F32',
): Promise<{ readonly dir: string; readonly plain: string }> {
  const model = await readModelFile(modelFolder(args));
  const matrices = roundedMatrices(model, type);
  await writeQuantizedModel(target, { model, quantization: { type, method: 'nearest' }, matrices, floats });
  const meant = new Map<string, Float32Array>();
  for (const [name, make] of matrices) meant.set(name, dequantizedMatrix(await make()));
  const plain = modelFolder(args, (tensors) => {
    for (const [name, values] of meant) tensors[name]!.data = new Uint8Array(values.buffer);
  });
  return { dir: target, plain };
}
