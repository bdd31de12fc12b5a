import type { Form } from './kernel.ts';

/** A kernel whose results are independent of each other. */
export interface Elementwise<S extends string> {
  /**
   * WGSL `fn element(at: u32)`, which computes the `at`-th result and does nothing where there is none. A result is a
   * `Value`: an element, or a vector of `WIDTH` elements where buffers hold those.
   */
  readonly code: string;
  /** Elements of all results. */
  count(sizes: Readonly<Record<S, number>>): number;
  /** What must be a multiple of four for vectors, the columns of a matrix, say. Default: vectors are not used. */
  aligned?(sizes: Readonly<Record<S, number>>): number;
}

/** Invocations of a workgroup. */
export const ELEMENT_LANES = 256;

/** Gives every invocation its `element`. */
export const ELEMENT_MAIN = `
@compute @workgroup_size(${ELEMENT_LANES})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  element(group(id, groups) * ${ELEMENT_LANES}u + lane);
}`;

/** Forms of a kernel with an invocation to a result: vectors of four where the sizes allow it, else single elements. */
export function elementForms<S extends string>({ code, count, aligned }: Elementwise<S>): Form<S>[] {
  const widths = aligned === undefined ? [1] : [4, 1];
  return widths.map((width) => ({
    name: width === 4 ? 'invocation4' : 'invocation',
    vectors: width === 4,
    code: `
alias Value = ${width === 4 ? 'vec4<f32>' : 'f32'};
const WIDTH = ${width}u;
${code}
${ELEMENT_MAIN}`,
    fits: (sizes) => aligned === undefined || aligned(sizes) % width === 0,
    workgroups: (sizes) => Math.ceil(count(sizes) / width / ELEMENT_LANES),
  }));
}
