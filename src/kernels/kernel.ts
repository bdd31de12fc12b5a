import type { Variant } from '../gpu/variant.ts';

/** Type of one uniform. */
export type SizeType = 'u32' | 'f32';

/** How a kernel uses one of its buffers. */
export interface BufferUse {
  readonly access: 'read' | 'read_write';
  /** Type of its elements in WGSL, such as `f32` or `u32`. Forms with vectors see four of them as one. */
  readonly elements: string;
  /** Also bound as single elements in forms with vectors. */
  readonly scalar?: boolean | undefined;
}

/** Work of one dispatch, counted from its sizes: what must be moved and computed at the least. */
export interface Cost {
  /** Bytes read and written, each once. */
  readonly bytes: number;
  readonly flops: number;
}

/** One way to compute a kernel. Forms of a kernel may differ in their last bits. */
export interface Form<S extends string = string> {
  readonly name: string;
  /** WGSL without declarations of the buffers and of `sizes`: those are made from the kernel's description. */
  readonly code: string;
  /** Buffers of elements are declared as vectors of four. */
  readonly vectors?: boolean | undefined;
  /** Extensions that the code needs. */
  readonly needs?: readonly ('subgroups' | 'f16')[] | undefined;
  /** Whether it can compute such sizes. Default: it can. */
  fits?(sizes: Readonly<Record<S, number>>): boolean;
  /** Whether it is the form of choice on a device that can run it. Default: it is. */
  suits?(variant: Variant): boolean;
  /** Workgroups of a dispatch; `group()` in WGSL counts them, whatever dimensions they were folded into. */
  workgroups(sizes: Readonly<Record<S, number>>): number;
}

/**
 * A program for the GPU: `sizes` are its uniforms in order (WGSL `sizes.<name>`), `buffers` its storage in order (WGSL
 * variables of these names). The first form that is possible and suits is used; the last one always does.
 */
export interface Kernel<S extends string = string, B extends string = string> {
  readonly name: string;
  readonly sizes: Readonly<Record<S, SizeType>>;
  readonly buffers: Readonly<Record<B, BufferUse>>;
  readonly forms: readonly Form<S>[];
  cost(sizes: Readonly<Record<S, number>>): Cost;
}

/** Typed as it stands, so that a dispatch is checked against names of sizes and buffers. */
export function kernel<S extends string, B extends string>(description: Kernel<S, B>): Kernel<S, B> {
  return description;
}

/** Whether a device can run a form for such sizes. */
export function isPossible<S extends string>(
  { needs = [], fits }: Form<S>,
  { subgroups, f16 }: Variant,
  sizes: Readonly<Record<S, number>>,
): boolean {
  return needs.every((need) => (need === 'f16' ? f16 : subgroups !== undefined)) && (fits?.(sizes) ?? true);
}

/** The form that a device runs for such sizes. */
export function formFor<S extends string, B extends string>(
  { name, forms }: Kernel<S, B>,
  variant: Variant,
  sizes: Readonly<Record<S, number>>,
): Form<S> {
  const form = forms.find((candidate) => isPossible(candidate, variant, sizes) && (candidate.suits?.(variant) ?? true));
  if (form === undefined) throw new Error(`no form of the kernel ${name} fits ${JSON.stringify(sizes)}`);
  return form;
}

/** The whole program: extensions, declarations, `group()`, code. */
export function wgslOf<S extends string, B extends string>(kernel: Kernel<S, B>, form: Form<S>): string {
  const needs = form.needs ?? [];
  const fields = Object.entries<SizeType>(kernel.sizes).map(([name, type]) => `  ${name}: ${type},`);
  const buffers = Object.entries<BufferUse>(kernel.buffers).map(([name, { access, elements, scalar }], i) => {
    const type = form.vectors && !scalar ? `vec4<${elements}>` : elements;
    return `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: array<${type}>;`;
  });
  return [
    ...needs.map((need) => `enable ${need};`),
    // lanes of one subgroup take the same way, since they share what they work on: the compiler cannot see that
    ...(needs.includes('subgroups') ? ['requires subgroup_id;', 'diagnostic(off, subgroup_uniformity);'] : []),
    'struct Sizes {',
    ...fields,
    '}',
    '@group(0) @binding(0) var<uniform> sizes: Sizes;',
    ...buffers,
    // a dispatch of more workgroups than one dimension may have is folded into two
    'fn group(id: vec3<u32>, count: vec3<u32>) -> u32 { return id.x + id.y * count.x; }',
    form.code,
  ].join('\n');
}

/** Bytes of the uniforms. */
export const sizesBytes = (kernel: Kernel): number => 16 * Math.ceil(Object.keys(kernel.sizes).length / 4);

/** Writes the uniforms of a dispatch. Throws RangeError for a u32 that is none. */
export function writeSizes(kernel: Kernel, sizes: Readonly<Record<string, number>>, target: DataView): void {
  for (const [i, [name, type]] of Object.entries(kernel.sizes).entries()) {
    const value = sizes[name];
    if (type === 'f32' && value !== undefined) {
      target.setFloat32(4 * i, value, true);
    } else if (value !== undefined && Number.isInteger(value) && value >= 0 && value < 2 ** 32) {
      target.setUint32(4 * i, value, true);
    } else {
      throw new RangeError(`${kernel.name}: ${name} is ${value}, which is no ${type}.`);
    }
  }
}
