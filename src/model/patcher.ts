import { PipelineError } from '../errors.ts';
import { BPE_ID, BYTE_OFFSET } from './tokenizer.ts';

export type PatchMode = 'entropy' | 'space' | 'byte' | 'static' | 'bpe';

/** Options of the reference's patcher (facebookresearch/blt, `Patcher.patch`), with its defaults. */
export interface PatcherOptions {
  /** Default: `entropy`. */
  readonly mode?: PatchMode | undefined;
  /** Nats. Needed in entropy mode, unless `patchSize` asks for the k most uncertain tokens. */
  readonly threshold?: number | undefined;
  /** A patch starts where entropy rises by more than the threshold, instead of where it is above it. Default: false. */
  readonly monotonicity?: boolean | undefined;
  /** A patch starts where entropy rises by more than this and is above the threshold too. */
  readonly thresholdAdd?: number | undefined;
  /** Tokens of a patch: needed in static mode, and in entropy mode without a threshold. */
  readonly patchSize?: number | undefined;
  /** Longer patches are cut into pieces of this many tokens. */
  readonly maxPatchLength?: number | undefined;
  /** Cover the token after the last one too. Default: false. */
  readonly includeNextToken?: boolean | undefined;
}

/**
 * Decides whether a patch starts after token `p` (p >= 1) of a row that begins with BOS: from the entropies at tokens p
 * and p - 1 (float32, nats) and their ids. The first two tokens of a row start patches without being asked about.
 */
export type StartRule = (p: number, entropy: number, entropyBefore: number, id: number, idBefore: number) => boolean;

/** The rule of a mode that looks at no more than two tokens. Throws PipelineError `BAD_OPTION`. */
export function startRule(options: PatcherOptions): StartRule {
  const { mode = 'entropy', monotonicity = false } = options;
  if (mode === 'byte') return () => true;
  if (mode === 'bpe') return (_p, _entropy, _before, id) => id === BPE_ID;
  if (mode === 'space')
    return (_p, _entropy, _before, id, idBefore) => id < BYTE_OFFSET || (isSpace(id) && !isSpace(idBefore));
  if (mode === 'static') {
    const size = wholePatchSize(options);
    return (p) => (p + 1) % size === 0;
  }
  const threshold = Math.fround(options.threshold ?? bad('threshold', options.threshold, 'a number of nats'));
  if (Number.isNaN(threshold)) bad('threshold', threshold, 'a number of nats');
  if (monotonicity) return (p, entropy, before) => p === 1 || Math.fround(entropy - before) > threshold;
  if (options.thresholdAdd === undefined) return (_p, entropy) => entropy > threshold;
  const rise = Math.fround(options.thresholdAdd);
  // the third token can never start one: the reference inverts its mask before it is filled
  return (p, entropy, before) => p === 1 || (p >= 3 && Math.fround(entropy - before) > rise && entropy > threshold);
}

/**
 * Patch lengths in tokens of one row, exactly as the reference cuts it: i32, they sum to the number of ids (plus one
 * with `includeNextToken`). `entropies[i]` (nats, rounded to float32) is about token i + 1; other modes ignore it.
 * Throws PipelineError `BAD_OPTION`.
 */
export function patchLengths(
  ids: ArrayLike<number>,
  entropies: ArrayLike<number> | undefined,
  options: PatcherOptions,
): Int32Array {
  const tokens = ids.length;
  if (tokens === 0) bad('ids', 0, 'at least one token');
  const covered = tokens + (options.includeNextToken ? 1 : 0);
  const starts = patchStarts(ids, entropies, covered, options);
  const most = checkedMaxLength(options.maxPatchLength);
  const lengths: number[] = [];
  starts.forEach((start, i) => {
    let length = (starts[i + 1] ?? covered) - start;
    for (; length > most; length -= most) lengths.push(most);
    lengths.push(length);
  });
  return Int32Array.from(lengths);
}

/** {@link patchLengths} of several rows, right-padded with 0 to the row with the most patches. */
export function patchBatch(
  rows: readonly ArrayLike<number>[],
  entropies: readonly ArrayLike<number>[] | undefined,
  options: PatcherOptions,
): Int32Array[] {
  const lengths = rows.map((ids, i) => patchLengths(ids, entropies?.[i], options));
  const most = Math.max(0, ...lengths.map((row) => row.length));
  return lengths.map((row) => {
    const padded = new Int32Array(most);
    padded.set(row);
    return padded;
  });
}

/** The largest patch, or no limit. Throws PipelineError `BAD_OPTION`. */
export function checkedMaxLength(maxPatchLength: number | undefined): number {
  if (maxPatchLength === undefined) return Number.POSITIVE_INFINITY;
  return Number.isSafeInteger(maxPatchLength) && maxPatchLength >= 1
    ? maxPatchLength
    : bad('maxPatchLength', maxPatchLength, 'a whole number from 1');
}

function patchStarts(
  ids: ArrayLike<number>,
  given: ArrayLike<number> | undefined,
  covered: number,
  options: PatcherOptions,
): number[] {
  const { mode = 'entropy' } = options;
  const entropies = Float32Array.from(given ?? []);
  if (mode === 'entropy' && entropies.length !== ids.length) bad('entropies', entropies.length, `${ids.length} values`);
  if (mode === 'bpe' && ids[0] === BPE_ID) bad('ids[0]', BPE_ID, 'another token than the one that ends a patch');
  // the first token never starts a second patch at the next one by itself in static mode, and does in all others
  const starts = mode === 'static' && wholePatchSize(options) > 1 ? [0] : [0, 1].slice(0, covered);
  if (mode === 'entropy' && options.threshold === undefined)
    return starts.concat(mostUncertain(entropies, covered, options));
  const rule = startRule(options);
  // the reference never looks at the last token in bpe mode
  const end = mode === 'bpe' ? Math.min(covered, ids.length) : covered;
  for (let p = 1; p + 1 < end; p++) {
    if (rule(p, entropies[p] ?? 0, entropies[p - 1] ?? 0, ids[p] ?? 0, ids[p - 1] ?? 0)) starts.push(p + 1);
  }
  return starts;
}

/** Starts after the k highest entropies, the first token's left out; of equal ones the earlier count. */
function mostUncertain(entropies: Float32Array, covered: number, options: PatcherOptions): number[] {
  const k = Math.floor(entropies.length / wholePatchSize(options)) - 2;
  if (k < 0) bad('patchSize', options.patchSize, `at most half of ${entropies.length} tokens`);
  return Array.from(entropies.keys())
    .slice(1)
    .sort((a, b) => (entropies[b] ?? 0) - (entropies[a] ?? 0) || a - b)
    .slice(0, k)
    .map((p) => p + 1)
    .filter((start) => start < covered)
    .sort((a, b) => a - b);
}

/** Neither digit, ASCII letter nor UTF-8 continuation byte; the special tokens count as spaces. */
function isSpace(id: number): boolean {
  const byte = id - BYTE_OFFSET;
  return (
    byte < 0x30 ||
    (byte > 0x39 && byte < 0x41) ||
    (byte > 0x5a && byte < 0x61) ||
    (byte > 0x7a && byte < 0x80) ||
    byte >= 0xc0
  );
}

function wholePatchSize(options: PatcherOptions): number {
  const { patchSize } = options;
  return patchSize !== undefined && Number.isSafeInteger(patchSize) && patchSize >= 1
    ? patchSize
    : bad('patchSize', patchSize, 'a whole number of tokens');
}

function bad(option: string, value: unknown, expected: string): never {
  throw new PipelineError(`The patcher's ${option} is ${String(value)}; expected ${expected}.`, { code: 'BAD_OPTION' });
}
