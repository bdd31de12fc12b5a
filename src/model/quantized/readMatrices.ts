import { ModelError } from '../../errors.ts';
import { fileChunks } from '../../formats/fileChunks.ts';
import { float32From } from '../../formats/littleEndian.ts';
import { halvesFrom } from '../../kernels/blocks/half.ts';
import type { HeldTensors } from '../heldTensors.ts';
import { isQuantized, type QuantizedWeight, type Span, type Weights } from '../weight.ts';
import { quantizedTensors, scaleBytes } from './layout.ts';
import type { QuantizedType } from './matrix.ts';

const DAMAGED = 'The file is damaged: write it again with sluice quantize.';

/** Where a linear weight lies that is kept as `type`. Throws ModelError `MODEL_TENSOR_*`. */
export function quantizedWeight(
  held: HeldTensors,
  type: QuantizedType,
  name: string,
  shape: readonly number[],
): QuantizedWeight {
  const [outputs = 0, inputs = 0] = shape;
  const spans = quantizedTensors(type, name, outputs, inputs).map((spec): Span => {
    const { offset, length } = held.tensor(spec.name, spec.shape, [spec.dtype]);
    return { offset, length };
  });
  const [codes = { offset: 0, length: 0 }, scales = codes, minima] = spans;
  return { dtype: type, shape, ...codes, scales, minima };
}

/**
 * Looks through all scales and minima: one that is not finite would make a whole row none.
 * Throws ModelError `MODEL_WEIGHT_VALUE`.
 */
export async function requireScales({ path, tensors }: Weights): Promise<void> {
  for (const [name, weight] of tensors) {
    if (!isQuantized(weight)) continue;
    for (const span of [weight.scales, ...(weight.minima ? [weight.minima] : [])]) {
      let at = 0;
      for await (const chunk of fileChunks(path, span.offset, span.offset + span.length)) {
        const bad = scalesFrom(weight.dtype, chunk).findIndex((scale) => !Number.isFinite(scale));
        if (bad !== -1) throw notFinite(path, name, at / scaleBytes(weight.dtype) + bad);
        at += chunk.length;
      }
    }
  }
}

/** Scales or minima as a file has them. */
export function scalesFrom(type: QuantizedType, bytes: Uint8Array): Float32Array {
  return scaleBytes(type) === 4 ? float32From(bytes) : halvesFrom(bytes);
}

/** A byte of a weight's codes that no code gives. */
export function noCode(path: string, byte: number, { dtype, shape }: QuantizedWeight): ModelError {
  return new ModelError(`Byte ${byte} of ${path} is no code of ${dtype}, in a weight [${shape.join(', ')}].`, {
    code: 'MODEL_WEIGHT_VALUE',
    path,
    position: { ordinal: 0, byte },
    hint: DAMAGED,
  });
}

function notFinite(path: string, name: string, index: number): ModelError {
  return new ModelError(`Scale or minimum ${index} of ${name} in ${path} is not finite.`, {
    code: 'MODEL_WEIGHT_VALUE',
    path,
    hint: DAMAGED,
  });
}
