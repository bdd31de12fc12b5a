import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { parseSafetensorsHeader } from '../../src/formats/safetensors/read.ts';

/** Reference outputs of the released model code on random weights; see README.md beside them. */
const folder = new URL('../fixtures/blt-golden/', import.meta.url);

export interface ModelCase {
  readonly id: string;
  readonly model: string;
  readonly kind?: string;
  readonly text?: string;
  readonly bytes_hex?: string;
  readonly add_bos?: boolean;
  readonly add_eos?: boolean;
  readonly chunk?: number;
  readonly token_ids: readonly number[];
  readonly entropies: readonly number[];
  readonly prenorm_l2: readonly number[];
  readonly tensors: Readonly<Record<string, string>>;
  readonly batch_token_ids?: readonly (readonly number[])[];
  readonly entropies_row_by_row?: readonly (readonly number[])[];
}

export interface PatchCase {
  readonly id: string;
  readonly source: { readonly model_case?: string; readonly inline?: boolean };
  readonly options: {
    readonly patching_mode: 'entropy' | 'space' | 'byte' | 'static';
    readonly threshold?: number;
    readonly monotonicity?: boolean;
    readonly threshold_add?: number;
    readonly max_patch_length?: number;
    readonly patch_size?: number;
  };
  readonly include_next_token: boolean;
  readonly decision_margin?: number | null;
  readonly token_ids?: readonly number[] | readonly (readonly number[])[];
  readonly entropies?: readonly number[] | readonly (readonly number[])[];
  readonly patch_lengths: readonly number[] | readonly (readonly number[])[];
}

export interface TokenizerCase {
  readonly kind: 'encode' | 'decode';
  readonly text: string;
  readonly token_ids: readonly number[];
  readonly add_bos: boolean;
  readonly add_eos: boolean;
  readonly cut_at_eos: boolean;
}

function cases<T>(name: string): readonly T[] {
  return (JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { cases: T[] }).cases;
}

export const modelCases = cases<ModelCase>('model-cases.json');
export const patchCases = cases<PatchCase>('patch-cases.json');
export const tokenizerCases = cases<TokenizerCase>('tokenizer-cases.json');

export function goldenModel(name: string): string {
  return fileURLToPath(new URL(`models/${name}`, folder));
}

const file = gunzipSync(readFileSync(new URL('tensors.safetensors.gz', folder)));
const header = parseSafetensorsHeader(file, file.length);

/** A tensor by name as an array of its own. */
export function golden(name: string): Float32Array | Int32Array {
  const entry = header.tensors.get(name);
  if (entry === undefined) throw new Error(`no golden tensor ${name}`);
  const bytes = new Uint8Array(file.subarray(entry.offset, entry.offset + entry.length)).buffer;
  return entry.dtype === 'I32' ? new Int32Array(bytes) : new Float32Array(bytes);
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

/** Plain English prose of any length, the same every time. */
export function prose(bytes: number): Uint8Array {
  const text = modelCases.find((found) => found.id === 'prose-1300')?.text ?? '';
  const out = new Uint8Array(bytes);
  const unit = Buffer.from(text);
  // every repetition is shifted differently against the window, so that no two places look alike
  for (let i = 0; i < bytes; i++) out[i] = unit[(i + Math.floor(i / unit.length) * 7) % unit.length]!;
  return out;
}
