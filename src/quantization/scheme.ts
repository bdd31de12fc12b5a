import type { Dtype } from '../formats/safetensors/dtype.ts';
import type { JsonValue } from '../json.ts';

/** One of the pieces that a coder makes of a row. In a file it is the tensor `<field>.<name>` of shape `[rows, ...shape]`. */
export interface Part {
  readonly name: 'codes' | 'scales' | 'zeros' | 'values';
  readonly dtype: Dtype;
  /** Of one row; empty for a single number. */
  readonly shape: readonly number[];
  /** Bytes of one row, little-endian. */
  readonly rowBytes: number;
}

/** What a coder makes of rows: for each of its parts the bytes of all rows, one behind the other. */
export type Encoded = readonly Uint8Array<ArrayBuffer>[];

/** Makes bytes of rows, and rows of bytes. It has no state: a row becomes the same in any company. */
export interface Coder {
  readonly parts: readonly Part[];
  /**
   * @param rows f32[rows, columns]
   * @throws SluiceError `QUANTIZE_VALUE` naming row and column, for a number that is not finite or that the scheme cannot hold
   */
  encode(rows: Float32Array): Encoded;
  /**
   * f32[rows, columns] of what `encode` gave.
   * @throws SluiceError `QUANTIZE_CODE` for codes that `encode` gives nobody
   */
  decode(encoded: readonly Uint8Array[]): Float32Array<ArrayBuffer>;
}

/** Makes shorter rows of rows, and approximations of the rows of those. It has no state either. */
export interface Transform {
  /** Columns of what `forward` gives. */
  readonly outputs: number;
  /** @throws SluiceError `QUANTIZE_VALUE` for a number that is not finite */
  forward(rows: Float32Array): Float32Array<ArrayBuffer>;
  backward(rows: Float32Array): Float32Array<ArrayBuffer>;
}

/** A tensor that a scheme has learned, f32, row-major. */
export interface TrainedTensor {
  /** Within the scheme: `codebooks`. In a file it is `<field>.<scheme>.<name>`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Means and covariances of all rows that were seen, in double precision. */
export interface Moments {
  readonly count: number;
  /** f64[columns]. */
  readonly mean: Float64Array;
  /** f64[columns, columns], divided by `count`. */
  readonly covariance: Float64Array;
}

/** What a scheme learns from. */
export interface TrainingSample {
  readonly columns: number;
  /** f32[n, columns], in an order that does not depend on who drew them. */
  readonly rows: Float32Array;
  /** Of everything that the rows were drawn from; absent where only the rows are known. */
  readonly moments?: Moments | undefined;
  readonly seed: number;
}

/** Every option of a scheme with its value: what files and digests hold. */
export type SchemeOptions = { readonly [name: string]: JsonValue };

interface AnyScheme<O extends SchemeOptions> {
  readonly name: string;
  /** The option that `name:value` gives in a text such as `pca:64`, a number; see `resolveChain`. */
  readonly shorthand?: string | undefined;
  /**
   * Checks options and fills in defaults.
   * @param given without `scheme`
   * @throws PipelineError `BAD_OPTION`, `UNKNOWN_OPTION`
   */
  resolve(given: object): O;
  /** Whether it has to learn before it can be opened. Default: where it can `train`. */
  learns?(options: O): boolean;
  /** It learns from {@link TrainingSample.moments}, which cost much to gather. Default: from rows alone. */
  readonly usesMoments?: boolean | undefined;
  /** The tensors that it must have learned; none where it need not. */
  tensors(options: O, columns: number): readonly Pick<TrainedTensor, 'name' | 'shape'>[];
  /**
   * Learns them; slow, to be done in a worker. The same sample gives the same bits on every machine.
   * @throws SluiceError `QUANTIZE_SAMPLE` where the sample is too small or too uniform
   */
  train?(options: O, sample: TrainingSample): readonly TrainedTensor[];
}

export interface CoderScheme<O extends SchemeOptions = SchemeOptions> extends AnyScheme<O> {
  readonly kind: 'coder';
  /** It takes a CPU so long that the way to a GPU and back is worth it. Default: it runs at the speed of memory. */
  readonly isSlow?: boolean | undefined;
  /** @throws PipelineError `BAD_OPTION` where the options do not suit rows of so many columns */
  open(options: O, columns: number, trained: readonly TrainedTensor[]): Coder;
}

export interface TransformScheme<O extends SchemeOptions = SchemeOptions> extends AnyScheme<O> {
  readonly kind: 'transform';
  /** @throws PipelineError `BAD_OPTION` where the options do not suit rows of so many columns */
  open(options: O, columns: number, trained: readonly TrainedTensor[]): Transform;
}

/** A way to keep rows in fewer bytes. One file of `schemes/` each, and its name in `schemes.ts`: nothing else knows them by name. */
export type Scheme = CoderScheme | TransformScheme;

/** Defines a scheme with options of its own type; the registry knows it by the general one. */
export function coderScheme<O extends SchemeOptions>(scheme: Omit<CoderScheme<O>, 'kind'>): CoderScheme<O> {
  return { ...scheme, kind: 'coder' };
}

/** As {@link coderScheme}, for what gives rows again. */
export function transformScheme<O extends SchemeOptions>(scheme: Omit<TransformScheme<O>, 'kind'>): TransformScheme<O> {
  return { ...scheme, kind: 'transform' };
}
