import {
  openQuantizer,
  type Quantizer,
  resolveChain,
  type SchemeSpec,
  trainQuantizer,
} from '../../../src/quantization/index.ts';

/** A scheme that learns nothing, for rows of so many columns. */
export function open(to: SchemeSpec, columns: number): Quantizer {
  return openQuantizer(resolveChain(to), columns);
}

/** A scheme that has learned from rows. */
export function learned(to: SchemeSpec, columns: number, rows: readonly number[]): Quantizer {
  return trainQuantizer(resolveChain(to), { columns, rows: Float32Array.from(rows), seed: 1 });
}

/** Parts of rows as numbers: codes as signed bytes where the part is I8, scales as floats. */
export function partsOf(quantizer: Quantizer, rows: readonly number[]): Record<string, number[]> {
  const encoded = quantizer.encode(Float32Array.from(rows));
  return Object.fromEntries(
    quantizer.parts.map(({ name, dtype }, i) => {
      const buffer = encoded[i]!.slice().buffer;
      if (dtype === 'I8') return [name, [...new Int8Array(buffer)]];
      if (dtype === 'F16') return [name, [...new Uint16Array(buffer)]];
      return [name, [...(dtype === 'F32' ? new Float32Array(buffer) : new Uint8Array(buffer))]];
    }),
  );
}

export function decoded(quantizer: Quantizer, rows: readonly number[]): number[] {
  return [...quantizer.decode(quantizer.encode(Float32Array.from(rows)))];
}

/** 1 as binary16. */
export const ONE = 0x3c00;
