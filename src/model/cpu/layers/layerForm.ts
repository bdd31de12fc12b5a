import type { ModelConfig } from '../../config.ts';
import { layerShapes } from '../../weights.ts';

/** How decoded layers are kept: as float32, or with linear weights as 7-bit integers in signed bytes. */
export type LayerForm = 'f32' | 'int8';

/** Where a tensor of a layer lies within the layer's slot, in bytes. */
export interface LayerTensor {
  /** Name within the layer, such as `attention.wq.weight`. */
  readonly name: string;
  /** `[n]` of a norm, `[out, in]` of a linear weight. */
  readonly shape: readonly number[];
  readonly offset: number;
  /** Of f32[out], the scale of each output; present where the weight is kept as i8[in, out]. */
  readonly scales?: number | undefined;
}

export interface LayerLayout {
  readonly form: LayerForm;
  readonly tensors: readonly LayerTensor[];
  readonly bytes: number;
  /** Bytes to work with while a layer is decoded: half for what the file holds, half for decoded rows. */
  readonly stagingBytes: number;
}

const STAGING_BYTES = 4 << 20;
/** Vector instructions like their data on cache lines. */
const ALIGNMENT = 64;

export function layerLayout(config: ModelConfig, form: LayerForm): LayerLayout {
  let bytes = 0;
  const place = (size: number): number => {
    const offset = bytes;
    bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    return offset;
  };
  const tensors = [...layerShapes(config)].map(([name, shape]): LayerTensor => {
    const [rows = 1, columns] = shape;
    if (columns === undefined) return { name, shape, offset: place(4 * rows) };
    if (form === 'f32') return { name, shape, offset: place(4 * rows * columns) };
    return { name, shape, offset: place(rows * columns), scales: place(4 * rows) };
  });
  const longestRow = Math.max(...tensors.map(({ shape }) => shape.at(-1) ?? 0));
  return { form, tensors, bytes, stagingBytes: Math.max(STAGING_BYTES, 2 * 4 * longestRow) };
}
