/**
 * How a GPU holds the weights of products: `f32` as the file has them where that is F32, BF16, F16, Q4_K or the codes of a
 * quantized folder, all else widened to float32, each of which gives the same numbers; the others are rounded, and faster for moving fewer bytes.
 */
export type GpuWeightForm = 'f32' | 'int8' | 'int4' | 'ternary';

export const GPU_WEIGHT_FORMS = ['f32', 'int8', 'int4', 'ternary'] as const satisfies readonly GpuWeightForm[];
