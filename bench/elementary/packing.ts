import { ELEMENT_LANES, ELEMENT_MAIN } from '../../src/kernels/elements.ts';
import { type Kernel, kernel } from '../../src/kernels/kernel.ts';

type Packing = Kernel<'count', 'x' | 'y'>;

/** What `element` does for each of `per` numbers; packed ones are bytes or bits of words. */
function packing(name: string, per: number, bytes: number, packed: 'x' | 'y', element: string): Packing {
  const words = { elements: 'u32' };
  const floats = { elements: 'f32' };
  return kernel({
    name: `elementary_${name}`,
    sizes: { count: 'u32' },
    buffers: {
      x: { access: 'read', ...(packed === 'x' ? words : floats) },
      y: { access: 'read_write', ...(packed === 'y' ? words : floats) },
    },
    forms: [
      {
        name: 'invocation',
        code: `fn element(at: u32) {
          if (at >= sizes.count / ${per}u) { return; }
          ${element}
        }
        ${ELEMENT_MAIN}`,
        workgroups: ({ count }) => Math.ceil(count / per / ELEMENT_LANES),
      },
    ],
    cost: ({ count }) => ({ bytes: (4 + bytes) * count, flops: count }),
  });
}

/** Whole numbers -128..127 as bytes; count in fours. */
export const packBytes = packing(
  'pack_bytes',
  4,
  1,
  'y',
  `var word = 0u;
  for (var i = 0u; i < 4u; i++) { word |= (u32(i32(x[4u * at + i])) & 255u) << (8u * i); }
  y[at] = word;`,
);

/** The other way. */
export const unpackBytes = packing(
  'unpack_bytes',
  4,
  1,
  'x',
  'for (var i = 0u; i < 4u; i++) { y[4u * at + i] = f32((i32(x[at]) << (24u - 8u * i)) >> 24u); }',
);

/** Numbers -1, 0 and 1, five to a byte in base 3; count in twenties. */
export const packTrits = packing(
  'pack_trits',
  20,
  0.2,
  'y',
  `var word = 0u;
  for (var byte = 0u; byte < 4u; byte++) {
    var number = 0.0;
    for (var i = 5u; i > 0u; i--) { number = 3.0 * number + x[20u * at + 5u * byte + i - 1u] + 1.0; }
    word |= u32(number) << (8u * byte);
  }
  y[at] = word;`,
);

/** The other way. */
export const unpackTrits = packing(
  'unpack_trits',
  20,
  0.2,
  'x',
  `for (var byte = 0u; byte < 4u; byte++) {
    var number = (x[at] >> (8u * byte)) & 255u;
    for (var i = 0u; i < 5u; i++) {
      y[20u * at + 5u * byte + i] = f32(number % 3u) - 1.0;
      number /= 3u;
    }
  }`,
);

/** Whether numbers are 0 or more, a bit each; count in thirty-twos. */
export const packSigns = packing(
  'pack_signs',
  32,
  0.125,
  'y',
  `var word = 0u;
  for (var i = 0u; i < 32u; i++) { word |= select(0u, 1u, x[32u * at + i] >= 0.0) << i; }
  y[at] = word;`,
);
