import { SluiceError } from '../errors.ts';
import type { QuantizedField } from '../records.ts';

/**
 * Layouts of patches, by what their files hold; `docs/layouts.md` has the tensors of each.
 * `f1`, `f2`, `f3`: states of every token. `f4`: bytes and lengths (`blt_patches_v2`). `f5`: `blt_patches_v3` with entropies
 * of every byte. `corpus`: `blt_patches_v3` as corpora were exported. `sluice`: `blt_patches_v3` of this program.
 */
export type LayoutFormat = 'f1' | 'f2' | 'f3' | 'f4' | 'f5' | 'corpus' | 'sluice';

/** What a file says about its patches. What it does not say stays absent: nothing is filled in. */
export interface Held {
  readonly bytes: boolean;
  readonly embeddings: boolean;
  readonly prominence: boolean;
  readonly entropy: boolean;
  readonly coherence: boolean;
  readonly signals: boolean;
}

/** Some whole patches in order. Arrays that the file has nothing for are absent. */
export interface PatchRows {
  /** Number of the first of them. */
  readonly first: number;
  readonly patches: number;
  /** Offset of the first byte; 0 where lengths are absent. */
  readonly start: number;
  /** i32[P], bytes of each. Absent only where a corpus was exported without bytes. */
  readonly lengths?: Int32Array | undefined;
  /** Of all of them, one after the other. */
  readonly bytes?: Uint8Array | undefined;
  /** f32[P * dim]. */
  readonly embeddings?: Float32Array | undefined;
  /** f32[P]. */
  readonly prominence?: Float32Array | undefined;
  /** f32[P], nats. */
  readonly entropy?: Float32Array | undefined;
  /** f32[P]. */
  readonly coherence?: Float32Array | undefined;
  /**
   * f32, nats: what older writers kept for every byte. Value i is about the byte behind byte i, so it is no `entropies` of
   * a `Patches` value, whose value i is about byte i itself.
   */
  readonly nextEntropies?: Float32Array | undefined;
  /** f32 for every byte, from the file of signals beside a shard of this program: about byte i itself, nats. */
  readonly entropies?: Float32Array | undefined;
  /** f32 for every byte, from there too. */
  readonly norms?: Float32Array | undefined;
  /**
   * What the file keeps of the columns above in fewer bytes, where that is asked for and there is any; the columns are what
   * it decodes to. The same fields in the same order in all rows.
   */
  readonly quantized?: readonly QuantizedField[] | undefined;
}

/** Members of `PatchRows` that are read only where they are wanted; `signals` are `entropies` and `norms`. */
export type RowColumn = 'bytes' | 'embeddings' | 'prominence' | 'entropy' | 'coherence' | 'nextEntropies' | 'signals';

export interface RowsOptions {
  /** The first patch to read, and the one behind the last. Default: all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Offset of the first byte of patch `from`, where it is known: it saves adding up the lengths before it. */
  readonly byteFrom?: number | undefined;
  /** Bytes that a chunk of rows aims at. Default 1 MiB; a patch is never divided. */
  readonly rowBytes?: number | undefined;
  /** What to read besides lengths. Default: everything. */
  readonly columns?: readonly RowColumn[] | undefined;
  /** Whether quantized fields are given as they are kept besides: see {@link PatchRows.quantized}. Default: false. */
  readonly asStored?: boolean | undefined;
}

/** The patches of one file or archive member. */
export interface PatchTable {
  readonly format: LayoutFormat;
  readonly path: string;
  readonly patches: number;
  /** Of all patches. */
  readonly bytes: number;
  /** Width of the embeddings; 0 without any. */
  readonly dim: number;
  readonly held: Held;
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes behind the last patch, which belong to none. */
  readonly trailingBytes: number;
  /**
   * Fields that the file keeps in fewer bytes, with how, and whether their float32 values are there too; none in most files.
   * `rows` decodes them, unless they are.
   */
  quantized(): Promise<readonly Omit<QuantizedField, 'encoded'>[]>;
  /**
   * Reads every number once: lengths that add up, values that are finite.
   * @throws SluiceError `BAD_VALUE`, `PATCH_PAST_BYTES`, `COUNT_MISMATCH` with the place
   */
  check(): Promise<void>;
  /** Chunks of whole patches, each in memory of its own. */
  rows(options?: RowsOptions): AsyncGenerator<PatchRows, void, undefined>;
}

/** Of layouts that are never quantized. */
export const notQuantized: PatchTable['quantized'] = async () => [];

export const DEFAULT_ROW_BYTES = 1 << 20;

/** Whether a column is wanted. */
export function wants({ columns }: RowsOptions, column: RowColumn): boolean {
  return columns === undefined || columns.includes(column);
}

/** A file that contradicts itself, or what its header says. */
export function badLayout(path: string, code: string, what: string, hint?: string, row?: number): SluiceError {
  const position = row === undefined ? undefined : { ordinal: row, row };
  return new SluiceError(`'${path}' ${what}`, { code, path, position, hint });
}

/**
 * Checks that every value is finite and at least `least`.
 * @param first number of the first value; rows have `width` of them
 * @throws SluiceError `BAD_VALUE` with the row
 */
export function requireFinite(
  path: string,
  name: string,
  values: Float32Array,
  first: number,
  least = Number.NEGATIVE_INFINITY,
  width = 1,
): void {
  const bad = values.findIndex((value) => !(Number.isFinite(value) && value >= least));
  if (bad < 0) return;
  const row = Math.floor((first + bad) / width);
  throw badLayout(path, 'BAD_VALUE', `has ${name}[${first + bad}] = ${values[bad]}`, undefined, row);
}
