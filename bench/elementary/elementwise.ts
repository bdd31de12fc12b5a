import { elementForms } from '../../src/kernels/elements.ts';
import { type Kernel, kernel } from '../../src/kernels/kernel.ts';

const read = { access: 'read', elements: 'f32' } as const;
const written = { access: 'read_write', elements: 'f32' } as const;
const perLine = { ...read, scalar: true } as const;

type Unary = Kernel<'count' | 'scalar', 'x' | 'y'>;
type Binary = Kernel<'count', 'a' | 'b' | 'y'>;

/** y = f(x), as an expression over `x` and `sizes.scalar`; f32[count]. */
function unary(name: string, expression: string): Unary {
  return kernel({
    name: `elementary_${name}`,
    sizes: { count: 'u32', scalar: 'f32' },
    buffers: { x: read, y: written },
    forms: elementForms<'count' | 'scalar'>({
      code: `fn element(at: u32) {
        if (at >= sizes.count / WIDTH) { return; }
        let x = x[at];
        y[at] = ${expression};
      }`,
      count: ({ count }) => count,
      aligned: ({ count }) => count,
    }),
    cost: ({ count }) => ({ bytes: 8 * count, flops: count }),
  });
}

/** y = a op b; f32[count]. */
function binary(name: string, operator: string): Binary {
  return kernel({
    name: `elementary_${name}`,
    sizes: { count: 'u32' },
    buffers: { a: read, b: read, y: written },
    forms: elementForms<'count'>({
      code: `fn element(at: u32) {
        if (at >= sizes.count / WIDTH) { return; }
        y[at] = a[at] ${operator} b[at];
      }`,
      count: ({ count }) => count,
      aligned: ({ count }) => count,
    }),
    cost: ({ count }) => ({ bytes: 12 * count, flops: count }),
  });
}

/** y = x op (the value of its row); f32[rows, columns], f32[rows]. */
function withRow(name: string, operator: string): Kernel<'rows' | 'columns', 'x' | 'row' | 'y'> {
  return kernel({
    name: `elementary_${name}_row`,
    sizes: { rows: 'u32', columns: 'u32' },
    buffers: { x: read, row: perLine, y: written },
    forms: elementForms<'rows' | 'columns'>({
      code: `fn element(at: u32) {
        let width = sizes.columns / WIDTH;
        if (at >= sizes.rows * width) { return; }
        y[at] = x[at] ${operator} row[at / width];
      }`,
      count: ({ rows, columns }) => rows * columns,
      aligned: ({ columns }) => columns,
    }),
    cost: ({ rows, columns }) => ({ bytes: 4 * rows * (2 * columns + 1), flops: rows * columns }),
  });
}

/** y = x op (the value of its column); f32[rows, columns], f32[columns]. */
function withColumn(name: string, operator: string): Kernel<'rows' | 'columns', 'x' | 'column' | 'y'> {
  return kernel({
    name: `elementary_${name}_column`,
    sizes: { rows: 'u32', columns: 'u32' },
    buffers: { x: read, column: read, y: written },
    forms: elementForms<'rows' | 'columns'>({
      code: `fn element(at: u32) {
        let width = sizes.columns / WIDTH;
        if (at >= sizes.rows * width) { return; }
        y[at] = x[at] ${operator} column[at % width];
      }`,
      count: ({ rows, columns }) => rows * columns,
      aligned: ({ columns }) => columns,
    }),
    cost: ({ rows, columns }) => ({ bytes: 4 * columns * (2 * rows + 1), flops: rows * columns }),
  });
}

/** Also the measure of what memory can do. */
export const copy = unary('copy', 'x');
export const exp = unary('exp', 'exp(x)');
export const log = unary('log', 'log(x)');
export const sqrt = unary('sqrt', 'sqrt(x)');
export const negate = unary('negate', '-x');
export const square = unary('square', 'x * x');
export const addScalar = unary('add_scalar', 'x + sizes.scalar');
export const multiplyScalar = unary('multiply_scalar', 'x * sizes.scalar');
export const divideScalar = unary('divide_scalar', 'x / sizes.scalar');
export const absolute = unary('absolute', 'abs(x)');
export const clip = unary('clip', 'clamp(x, Value(-1.0), Value(1.0))');
export const roundEven = unary('round_even', 'round(x)');

export const add = binary('add', '+');
export const subtract = binary('subtract', '-');
export const multiply = binary('multiply', '*');
export const divide = binary('divide', '/');

export const subtractRow = withRow('subtract', '-');
export const multiplyRow = withRow('multiply', '*');
export const divideRow = withRow('divide', '/');

export const multiplyColumn = withColumn('multiply', '*');
