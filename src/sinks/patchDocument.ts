import type { Patches } from '../records.ts';
import { addPatches, emptyColumns, type PatchColumns } from './patchColumns.ts';
import { type Keeper, type Shard, ShardCutter, type ShardPart } from './shardCut.ts';

interface KeptDocument {
  readonly modality: string;
  readonly columns: PatchColumns;
  /** How segments were derived that are not the record's own bytes. */
  readonly derived: Set<string>;
}

const keeper: Keeper<KeptDocument> = {
  open: ({ segment }) => ({ modality: segment.modality, columns: emptyColumns(), derived: new Set() }),
  add(kept, slice) {
    addPatches(kept.columns, slice);
    const { derived } = slice.value.segment.origin;
    if (derived !== undefined) kept.derived.add(derived);
  },
};

/** A document with all its patches, or a part of one that is too large for that. */
export interface PatchDocument extends Omit<ShardPart<KeptDocument>, 'kept'> {
  readonly columns: PatchColumns;
  readonly dim: number;
  /** That of its first segment here. */
  readonly modality: string;
  /** How its bytes were derived, sorted; empty where they are the record's own. */
  readonly derived: readonly string[];
}

/**
 * Hands patches on document by document. One that counts for more than `documentBytes`, as `CutOptions.shardBytes` counts, comes
 * in parts; so much is held at most.
 */
export function byDocument(
  documentBytes: number,
  next: (document: PatchDocument) => Promise<void>,
): { write(value: Patches): Promise<void>; finish(): Promise<void> } {
  const cutter = new ShardCutter({ shardBytes: documentBytes, layout: 'document' }, keeper);
  const each = async (shards: Iterable<Shard<KeptDocument>>): Promise<void> => {
    for (const { dim, parts } of shards) {
      for (const { kept, ...part } of parts) {
        const { modality, columns, derived } = kept;
        await next({ ...part, columns, dim, modality, derived: [...derived].sort() });
      }
    }
  };
  return { write: (value) => each(cutter.push(value)), finish: () => each(cutter.finish()) };
}

/** What is said of a document beside its patches, in the words of every format; `undefined` is left out. */
export function patchFacts({ patches, bytes, dim, part, complete, derived }: PatchDocument) {
  return {
    part,
    complete,
    num_patches: patches,
    total_bytes: bytes,
    embed_dim: dim,
    derived: derived.length === 0 ? undefined : derived,
  };
}
