import { elementForms } from '../elements.ts';
import { kernel } from '../kernel.ts';
import { weightLoaders } from '../weights/weights.wgsl.ts';
import { DEQUANTISE_Q4K } from './dequantiseQ4K.wgsl.ts';

const BLOCK = { values: 256, bytes: 144 };

/**
 * Decodes Q4_K blocks, as GGUF files have them, to float32: u32[36 count / 256] to f32[count], whole blocks of 256. With finite
 * scales the values have the bits that `decodeBlocks` gives, on every device: all products are exact.
 */
export const dequantiseQ4K = kernel({
  name: 'dequantise_q4_k',
  sizes: { count: 'u32' },
  buffers: {
    weights: { access: 'read', elements: 'u32', scalar: true },
    values: { access: 'read_write', elements: 'f32' },
  },
  forms: elementForms<'count'>({
    code: [weightLoaders.q4_k.load, DEQUANTISE_Q4K].join('\n'),
    count: ({ count }) => count,
    aligned: ({ count }) => count,
  })
    .filter(({ vectors }) => vectors)
    .map((form) => ({ ...form, fits: ({ count }: { count: number }) => count % BLOCK.values === 0 })),
  // a product and a difference
  cost: ({ count }) => ({ bytes: (4 + BLOCK.bytes / BLOCK.values) * count, flops: 2 * count }),
});
