import type { BlockType } from '../kernels/blocks/layout.ts';
import type { QuantizedType } from './quantized/matrix.ts';

/** Bytes of the weights file. */
export interface Span {
  /** From the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/** One tensor of the model as a run of blocks, numbers of their own or of a GGUF type: where they lie. */
export interface BlockWeight extends Span {
  readonly dtype: BlockType;
  readonly shape: readonly number[];
}

/** A linear weight `[out, in]` whose codes lie in the span, with its scales elsewhere in the file. */
export interface QuantizedWeight extends Span {
  readonly dtype: QuantizedType;
  readonly shape: readonly number[];
  readonly scales: Span;
  readonly minima: Span | undefined;
}

/** One tensor of the model. */
export type Weight = BlockWeight | QuantizedWeight;

/** How the values of a tensor are stored. */
export type WeightDtype = Weight['dtype'];

export const isQuantized = (weight: Weight): weight is QuantizedWeight => 'scales' in weight;

export interface Weights {
  /** The file that holds them, safetensors or GGUF; links are followed. */
  readonly path: string;
  /** Which file that was, and in which state: see `fileStamp`. */
  readonly stamp: string;
  readonly tensors: ReadonlyMap<string, Weight>;
  /** Bytes of all tensors as float32. */
  readonly floatBytes: number;
}
