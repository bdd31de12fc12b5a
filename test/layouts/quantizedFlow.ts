import fc from 'fast-check';
import { resolveChain, type To } from '../../src/quantization/chain.ts';
import { openQuantizer, type Quantizer } from '../../src/quantization/quantizer.ts';
import type { TrainedTensor } from '../../src/quantization/scheme.ts';
import type { Patches, QuantizedField, QuantizedFieldName } from '../../src/records.ts';

/** Numbers that look like those of a model, the same for the same seed. */
function numbers(length: number, seed: number): Float32Array {
  let state = seed + 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const tensor = (name: string, shape: readonly number[], seed: number): TrainedTensor => ({
  name,
  shape,
  values: numbers(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
});

/** What schemes could have learned of four columns: the reading of a file asks nothing more of it. */
const learned: readonly TrainedTensor[] = [
  tensor('pca.mean', [4], 1),
  tensor('pca.components', [2, 4], 2),
  { name: 'pca.variances', shape: [2], values: Float32Array.of(2, 0.5) },
  tensor('pq.codebooks', [2, 256, 2], 3),
  { name: 'variable.range', shape: [1], values: Float32Array.of(8) },
];

/** A quantizer of four columns. */
export function quantizerOf(to: To, columns = 4): Quantizer {
  return openQuantizer(resolveChain(to), columns, learned);
}

/** Schemes with and without anything learned, with codes or float32 values at their end. */
export const chains = ['int8', 'pca:2', 'pca:2+int8', 'pq:2'] as const;

export const anyChain = fc.constantFrom(...chains);

/** What to quantize, with or without keeping float32. */
export type Quantizers = Readonly<Partial<Record<QuantizedFieldName, Quantizer | undefined>>>;

/** Values as the operator `quantize` gives them. */
export function quantized(values: readonly Patches[], quantizers: Quantizers, keep = false): Patches[] {
  const fields = (Object.entries(quantizers) as [QuantizedFieldName, Quantizer | undefined][]).flatMap(
    ([field, quantizer]) => (quantizer === undefined ? [] : [{ field, quantizer }]),
  );
  return values.map((value) => ({
    ...value,
    quantized: fields.map(
      ({ field, quantizer }): QuantizedField => ({ field, quantizer, keep, encoded: quantizer.encode(value[field]) }),
    ),
  }));
}

/** What such values are read as again. */
export function decoded(values: readonly Patches[], field: QuantizedFieldName, quantizer: Quantizer): number[] {
  return values.flatMap((value) => [...quantizer.decode(quantizer.encode(value[field]))]);
}
