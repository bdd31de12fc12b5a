import { PipelineError } from '../../errors.ts';
import { vectorsWasm } from './vectorsWasm.ts';

/** What tools/wasm/vectors.as.ts exports. Addresses are bytes in its memory. */
interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  dense(
    weights: number,
    inputs: number,
    groups: number,
    rows: number,
    rowBytes: number,
    count: number,
    bias: number,
    biasStep: number,
    relu: boolean,
    out: number,
  ): void;
  /** 0 where a number is not finite. */
  centre(rows: number, count: number, columns: number, centre: number, out: number): number;
  denseWide(
    weights: number,
    inputs: number,
    groups: number,
    rows: number,
    count: number,
    bias: number,
    out: number,
  ): void;
  centreWide(rows: number, count: number, columns: number, centre: number, out: number): number;
  nearest(
    centroids: number,
    columns: number,
    groups: number,
    rows: number,
    rowBytes: number,
    count: number,
    codes: number,
    codeStep: number,
  ): void;
  comoments(rows: number, count: number, columns: number, out: number): void;
}

/** Kernels with memory of their own, and the regions that it has. */
export interface Workspace<N extends string> {
  readonly kernels: Kernels;
  readonly regions: Readonly<Record<N, Float32Array>>;
}

/** Matrix rows that the kernels work on together. */
export const GROUP = 16;

const PAGE = 65_536;
/** Where regions begin: the module holds nothing of its own beyond. */
const FIRST = 1024;
/** Of all regions: what addresses of 32 bits reach, less a page. */
const MOST_BYTES = 2 ** 32 - PAGE;

/** Compiled once in a thread. */
let compiled: WebAssembly.Module | undefined;

/**
 * An instance of the kernels with a region of so many float32 numbers for each name.
 *
 * @throws PipelineError `BAD_OPTION` where they exceed 4 GiB
 */
export function workspace<N extends string>(sizes: Readonly<Record<N, number>>): Workspace<N> {
  compiled ??= new WebAssembly.Module(Buffer.from(vectorsWasm, 'base64'));
  // what the module exports is written in its source
  const kernels = new WebAssembly.Instance(compiled, {}).exports as unknown as Kernels;
  const { memory } = kernels;
  const names = Object.keys(sizes) as N[];
  const starts = new Map<N, number>();
  let end = FIRST;
  for (const name of names) {
    starts.set(name, end);
    end += upTo(4 * sizes[name], 16);
  }
  if (end > MOST_BYTES) {
    throw new PipelineError(`vectors and matrices of ${end} bytes exceed the 4 GiB that they may have`, {
      code: 'BAD_OPTION',
      hint: 'take fewer components or hidden units, or a scheme that does not learn for rows as long as these',
    });
  }
  memory.grow(Math.max(0, Math.ceil((end - memory.buffer.byteLength) / PAGE)));
  const regions = names.map((name) => [name, new Float32Array(memory.buffer, starts.get(name), sizes[name])]);
  return { kernels, regions: Object.fromEntries(regions) };
}

/** The least multiple of `unit` that is no less. */
export const upTo = (count: number, unit: number): number => Math.ceil(count / unit) * unit;

/**
 * Packs a matrix as the kernels take it: sixteen rows together, for each column their values; zeros fill up the last ones.
 *
 * @param matrix f32[rows, columns]
 * @param target f32[upTo(rows, 16) * columns]
 */
export function pack(matrix: Float32Array, columns: number, target: Float32Array): void {
  const rows = matrix.length / columns;
  for (let row = 0; row < upTo(rows, GROUP); row++) {
    const lane = row % GROUP;
    const from = row * columns;
    const to = (row - lane) * columns + lane;
    for (let i = 0; i < columns; i++) target[to + i * GROUP] = row < rows ? (matrix[from + i] ?? 0) : 0;
  }
}

/** Rows of results as the kernels give them, without the numbers that fill up the last sixteen. */
export function compact(out: Float32Array, rows: number, columns: number, target: Float32Array): void {
  const step = upTo(columns, GROUP);
  if (step === columns) target.set(out.subarray(0, rows * columns));
  else for (let i = 0; i < rows; i++) target.set(out.subarray(i * step, i * step + columns), i * columns);
}

/** f32[columns, rows] of f32[rows, columns]. */
export function transposed(matrix: Float32Array, columns: number): Float32Array<ArrayBuffer> {
  const rows = matrix.length / columns;
  const out = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) out[i * rows + row] = matrix[row * columns + i] ?? 0;
  }
  return out;
}
