/** Counts by name, as files and commits list them. */
export type Counts = { readonly [name: string]: number };

/** Sums of two sets of counts, under the names of the first. */
export function added<C extends Counts>(a: C, b: C): C {
  return Object.fromEntries(Object.entries(a).map(([name, count]) => [name, count + (b[name] ?? 0)])) as C;
}
