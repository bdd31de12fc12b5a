import type { Form } from './kernel.ts';

/** A kernel whose results are independent of each other. */
export interface Elementwise<S extends string> {
  /** WGSL `fn element(at: u32)`, which computes the `at`-th result: an element, or a vector of four of them. */
  readonly code: string;
  /** Elements of the result. */
  count(sizes: Readonly<Record<S, number>>): number;
  /** What must be a multiple of four where vectors are used: the elements of a row, say. Default: all elements. */
  aligned?(sizes: Readonly<Record<S, number>>): number;
}

const LANES = 256;

/** Forms of a kernel with an invocation to a result: vectors of four where the sizes allow it, else single elements. */
export function elementForms<S extends string>({ code, count, aligned = count }: Elementwise<S>): Form<S>[] {
  return [4, 1].map((width) => ({
    name: width === 4 ? 'invocation4' : 'invocation',
    vectors: width === 4,
    code: `
const WIDTH = ${width}u;
${code}
@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  element(group(id, groups) * ${LANES}u + lane);
}`,
    fits: (sizes) => aligned(sizes) % width === 0,
    workgroups: (sizes) => Math.ceil(count(sizes) / width / LANES),
  }));
}
