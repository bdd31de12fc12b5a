/** What decides which form of a kernel a device runs. */
export interface Variant {
  /** Lanes of a subgroup, at least and at most; absent where programs cannot use subgroups. */
  readonly subgroups?: { readonly least: number; readonly most: number } | undefined;
  /** 16-bit floats in programs. */
  readonly f16: boolean;
  /** Dot products of four packed 8-bit integers. */
  readonly dp4a: boolean;
  /** The "GPU" is a program on the CPU: barriers are slow there, and single invocations fast. */
  readonly software: boolean;
}

/** What every WebGPU device can do. */
export const PORTABLE: Variant = { f16: false, dp4a: false, software: false };

/** Reads the variant of an adapter; features that the device was not opened with do not count. */
export function variantOf(adapter: GPUAdapter, features: ReadonlySet<string>, language: ReadonlySet<string>): Variant {
  const { subgroupMinSize: least = 4, subgroupMaxSize: most = 128, isFallbackAdapter } = adapter.info;
  return {
    // without subgroup_id there is no telling which subgroup an invocation belongs to
    subgroups: features.has('subgroups') && language.has('subgroup_id') ? { least, most } : undefined,
    f16: features.has('shader-f16'),
    dp4a: language.has('packed_4x8_integer_dot_product'),
    software: isFallbackAdapter,
  };
}

/** Such as `subgroups 32-32, f16, dp4a`. */
export function describeVariant({ subgroups, f16, dp4a, software }: Variant): string {
  const parts = [
    subgroups === undefined ? 'no subgroups' : `subgroups ${subgroups.least}-${subgroups.most}`,
    ...(f16 ? ['f16'] : []),
    ...(dp4a ? ['dp4a'] : []),
    ...(software ? ['software'] : []),
  ];
  return parts.join(', ');
}
