import { PipelineError } from '../errors.ts';
import type { OptionNames } from '../knownOptions.ts';
import type { DocumentHead, Patches } from '../records.ts';
import { badPatches, checkPatches, sameQuantizers } from './checkedPatches.ts';
import { documentCost, learnedCost, type RowCosts, rowCosts } from './shardCosts.ts';
import type { Layout } from './shardName.ts';

const DEFAULT_SHARD_BYTES = 64 << 20;

/** Some whole patches of one value, and the bytes they cover in it. */
export interface PatchSlice {
  readonly value: Patches;
  readonly from: number;
  readonly to: number;
  readonly byteFrom: number;
  readonly byteTo: number;
}

/** What one shard holds of one document. */
export interface ShardPart<K> {
  readonly document: DocumentHead;
  /** 0 where the document begins in this shard; higher where it goes on from an earlier one. */
  readonly part: number;
  /** Patches and bytes of this document that earlier shards hold. */
  readonly patchesBefore: number;
  readonly bytesBefore: number;
  patches: number;
  bytes: number;
  /** True where the document ends in this shard. */
  complete: boolean;
  readonly kept: K;
}

export interface Shard<K> {
  /** Number within the split, from 0. */
  readonly index: number;
  readonly dim: number;
  readonly parts: readonly ShardPart<K>[];
  readonly patches: number;
  readonly bytes: number;
}

/** What a sink keeps of the patches of one document until the shard is written. */
export interface Keeper<K> {
  /** `before` is what was kept of the document in the shard before this one, which has been written. */
  open(first: Patches, part: number, before: K | undefined): K;
  /** Called in order; slices of one segment may arrive in any number of pieces. */
  add(kept: K, slice: PatchSlice): void;
}

export interface CutOptions {
  /**
   * Most bytes a shard may hold, counting per patch its embedding, four numbers and 9 bytes for each of its own (the byte
   * and two signals of it), and per document 1024 bytes and its strings. What is quantized counts as the float32 values do that
   * it takes the place of, or more where it takes more, or is kept beside them; what quantizers have learned counts for each
   * shard. Default 64 MiB.
   */
  readonly shardBytes?: number | undefined;
  readonly layout?: Layout | undefined;
}

export const CUT_OPTIONS = { shardBytes: true, layout: true } as const satisfies OptionNames<CutOptions>;

interface OpenPart<K> extends ShardPart<K> {
  cost: number;
}

/**
 * Cuts a flow of patches into shards. Every sink of patches uses it, and where they have the same options they cut at the
 * same places, because the cuts depend on the sequence of documents and patches alone: not on how a document's patches
 * are divided into values, nor on what a sink keeps of them.
 *
 * A shard takes documents while they fit. One that does not fit any more begins the next shard, whole; one that is larger
 * than a shard is cut between two patches and goes on in the next as a further part. A patch larger than a shard has its
 * own.
 */
export class ShardCutter<K> {
  readonly #keeper: Keeper<K>;
  readonly #shardBytes: number;
  readonly #layout: Layout;
  #index = 0;
  #dim = 0;
  /** That of the first value. */
  #quantized: Patches['quantized'];
  #costs: RowCosts | undefined;
  /** What every shard holds besides its documents. */
  #besides = 0;
  #parts: OpenPart<K>[] = [];
  #cost = 0;
  /** The document that has not ended; always the last of `#parts`. */
  #current: OpenPart<K> | undefined;

  constructor(options: CutOptions, keeper: Keeper<K>) {
    this.#keeper = keeper;
    this.#shardBytes = checkedShardBytes(options.shardBytes);
    this.#layout = options.layout ?? 'shard';
  }

  /**
   * Takes one value and yields every shard that it completes; write each before asking for the next.
   * @throws SluiceError `BAD_PATCHES` where the value's arrays do not fit each other, or hold numbers that are not finite
   * @throws PipelineError `SHARD_TOO_SMALL` where what quantizers have learned takes more than half a shard
   */
  *push(value: Patches): Generator<Shard<K>, void, undefined> {
    checkPatches(value);
    if (this.#parts.length > 0 && value.dim !== this.#dim)
      throw badPatches(value, `dim ${value.dim} after ${this.#dim}`);
    const costs = this.#costsOf(value);
    this.#dim = value.dim;
    if (this.#current === undefined || !sameDocument(this.#current.document, value.segment.document)) {
      const cost = documentCost(value.segment.document);
      if (
        this.#parts.length > 0 &&
        (this.#layout === 'document' || this.#besides + this.#cost + cost > this.#shardBytes)
      ) {
        yield this.#take(this.#parts.length);
      }
      this.#begin(value, undefined);
    }
    let from = 0;
    let byteFrom = 0;
    while (from < value.lengths.length) {
      const { to, byteTo, cost } = this.#fitting(value, from, byteFrom, costs);
      if (to > from) {
        this.#add({ value, from, to, byteFrom, byteTo }, cost);
        from = to;
        byteFrom = byteTo;
      } else if (this.#parts.length > 1) {
        yield this.#take(this.#parts.length - 1);
      } else {
        const full = this.#current;
        yield this.#take(1);
        this.#begin(value, full);
      }
    }
    if (value.last && value.segment.last) {
      if (this.#current !== undefined) this.#current.complete = true;
      this.#current = undefined;
    }
  }

  /** Yields the shard that is open, if anything arrived since the last cut. */
  *finish(): Generator<Shard<K>, void, undefined> {
    this.#current = undefined;
    if (this.#parts.length > 0) yield this.#take(this.#parts.length);
  }

  /** How many patches from `from` on the open shard still takes; at least one where it holds nothing yet. */
  #fitting(
    value: Patches,
    from: number,
    byteFrom: number,
    costs: RowCosts,
  ): { to: number; byteTo: number; cost: number } {
    const room = this.#shardBytes - this.#besides - this.#cost;
    let to = from;
    let byteTo = byteFrom;
    let cost = 0;
    while (to < value.lengths.length) {
      const length = value.lengths[to] ?? 0;
      const more = cost + costs.patch + costs.byte * length;
      if (more > room && !(to === from && this.#parts.length === 1 && this.#current?.patches === 0)) break;
      cost = more;
      byteTo += length;
      to++;
      if (more > room) break;
    }
    return { to, byteTo, cost };
  }

  /** What rows count for, and that nothing else is quantized than of the value before. */
  #costsOf(value: Patches): RowCosts {
    if (this.#costs === undefined || (this.#parts.length === 0 && value.dim !== this.#dim)) {
      this.#costs = rowCosts(value);
      this.#quantized = value.quantized;
      this.#besides = this.#layout === 'document' ? 0 : learnedCost(value, this.#shardBytes);
    } else if (!sameQuantizers(this.#quantized, value.quantized)) {
      throw badPatches(
        value,
        'other quantized fields, or other quantizers, than the value before it',
        'put quantize() where all values pass it, and one only',
      );
    }
    return this.#costs;
  }

  #begin(value: Patches, before: ShardPart<K> | undefined): void {
    const part = before === undefined ? 0 : before.part + 1;
    this.#current = {
      document: value.segment.document,
      part,
      patchesBefore: before === undefined ? 0 : before.patchesBefore + before.patches,
      bytesBefore: before === undefined ? 0 : before.bytesBefore + before.bytes,
      patches: 0,
      bytes: 0,
      complete: false,
      kept: this.#keeper.open(value, part, before?.kept),
      cost: documentCost(value.segment.document),
    };
    this.#parts.push(this.#current);
    this.#cost += this.#current.cost;
  }

  #add(slice: PatchSlice, cost: number): void {
    const part = this.#current;
    if (part === undefined) return;
    this.#keeper.add(part.kept, slice);
    part.patches += slice.to - slice.from;
    part.bytes += slice.byteTo - slice.byteFrom;
    part.cost += cost;
    this.#cost += cost;
  }

  #take(count: number): Shard<K> {
    const parts = this.#parts.splice(0, count);
    for (const part of parts) this.#cost -= part.cost;
    return {
      index: this.#index++,
      dim: this.#dim,
      parts,
      patches: parts.reduce((sum, part) => sum + part.patches, 0),
      bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    };
  }
}

/**
 * The shard size that is asked for, or the default.
 * @throws PipelineError `BAD_SHARD_BYTES` unless it is a whole number of at least 4096
 */
export function checkedShardBytes(shardBytes: number = DEFAULT_SHARD_BYTES): number {
  return checkedCutBytes('shardBytes', 'BAD_SHARD_BYTES', shardBytes);
}

/** The size of what a sink cuts its values into, of whatever name. @throws PipelineError `code` as `checkedShardBytes` */
export function checkedCutBytes(option: string, code: string, bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 4096) {
    throw new PipelineError(`${option} is ${bytes}`, { code, hint: 'give a whole number of bytes, at least 4096' });
  }
  return bytes;
}

function sameDocument(a: DocumentHead, b: DocumentHead): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.source.uri === b.source.uri &&
      a.source.position.ordinal === b.source.position.ordinal &&
      a.source.position.part === b.source.position.part)
  );
}
