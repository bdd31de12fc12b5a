import type { OnnxBuilder } from './builder.ts';

/** How a graph gets at the weights: one implementation for each form they are kept in. */
export interface WeightPorts {
  /** f32[n], a weight of a norm. */
  vector(g: OnnxBuilder, name: string): string;
  /** x times the transposed weight: f32[T, in] to f32[T, out]. */
  linear(g: OnnxBuilder, x: string, name: string): string;
}
