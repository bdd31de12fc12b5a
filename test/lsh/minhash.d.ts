declare module 'minhash' {
  /** With 128 permutations unless told; `update` takes one shingle. */
  class Minhash {
    constructor(config?: { readonly numPerm?: number; readonly seed?: number });
    readonly hashvalues: readonly number[];
    update(shingle: string): void;
    jaccard(other: Minhash): number;
  }
  const library: { readonly Minhash: typeof Minhash };
  export default library;
}
