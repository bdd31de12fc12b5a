import { type Kernel, kernel } from '../../src/kernels/kernel.ts';
import { rowForms } from '../../src/kernels/rows.ts';

/** One value of each row; f32[rows, columns] to f32[rows]. */
function ofRows(name: string, first: string, two: string, four: string): Kernel<'rows' | 'columns', 'x' | 'y'> {
  return kernel({
    name: `elementary_row_${name}`,
    sizes: { rows: 'u32', columns: 'u32' },
    buffers: { x: { access: 'read', elements: 'f32' }, y: { access: 'read_write', elements: 'f32', scalar: true } },
    forms: rowForms({
      input: 'x',
      sums: ['value'],
      code: `
fn both(a: f32, b: f32) -> f32 { return ${two}; }
fn start() -> Sums { return Sums(${first}); }
fn fold(sums: Sums, value: f32) -> Sums { return Sums(both(sums.value, value)); }
fn merge(a: Sums, b: Sums) -> Sums { return Sums(both(a.value, b.value)); }
fn finish(row: u32, sums: Sums, lane: u32, lanes: u32) {
  if (lane == 0u) { y[row] = sums.value; }
}`,
      fold4: `fn fold4(sums: Sums, v: vec4<f32>) -> Sums { return Sums(both(sums.value, ${four})); }`,
    }),
    cost: ({ rows, columns }) => ({ bytes: 4 * rows * (columns + 1), flops: rows * columns }),
  });
}

export const rowMaximum = ofRows('maximum', '-3e38', 'max(a, b)', 'max(max(v.x, v.y), max(v.z, v.w))');
export const rowSum = ofRows('sum', '0.0', 'a + b', 'dot(v, vec4(1.0))');
