import type { Modality, Patches } from '../records.ts';
import { addPatches, emptyColumns, type PatchColumns } from './patchColumns.ts';
import type { LearnedPlace } from './quantizedColumns.ts';
import { type Keeper, type Shard, ShardCutter, type ShardPart } from './shardCut.ts';

/** What a document, or a part of one, holds of a segment. */
export interface SegmentRun {
  readonly index: number;
  readonly modality: Modality;
  /** How its bytes were derived; absent where they are the record's own. */
  readonly derived: string | undefined;
  /** Of the first byte here: in the source record, or where it was derived in the segment. */
  readonly offset: number;
  patches: number;
}

interface KeptDocument {
  /** That of its first segment here. */
  readonly modality: Modality;
  readonly columns: PatchColumns;
  readonly segments: SegmentRun[];
}

const keeper = (place: LearnedPlace): Keeper<KeptDocument> => ({
  open: (first) => ({ modality: first.segment.modality, columns: emptyColumns(first, place), segments: [] }),
  add(kept, slice) {
    addPatches(kept.columns, slice);
    const { segment, offset } = slice.value;
    let run = kept.segments.at(-1);
    if (run?.index !== segment.index) {
      const { start, derived } = segment.origin;
      const { index, modality } = segment;
      run = {
        index,
        modality,
        derived,
        offset: (derived === undefined ? start : 0) + offset + slice.byteFrom,
        patches: 0,
      };
      kept.segments.push(run);
    }
    run.patches += slice.to - slice.from;
  },
});

/** A document with all its patches, or a part of one that is too large for that. */
export interface PatchDocument extends Omit<ShardPart<KeptDocument>, 'kept'>, KeptDocument {
  readonly dim: number;
  /** How its bytes were derived, sorted; empty where they are the record's own. */
  readonly derived: readonly string[];
}

/**
 * Hands patches on document by document. One that counts for more than `documentBytes`, as `CutOptions.shardBytes` counts, comes
 * in parts; so much is held at most. What quantizers have learned is referred to: `sink` is who does that.
 */
export function byDocument(
  sink: string,
  documentBytes: number,
  next: (document: PatchDocument) => Promise<void>,
): { write(value: Patches): Promise<void>; finish(): Promise<void> } {
  const cutter = new ShardCutter(
    { shardBytes: documentBytes, layout: 'document' },
    keeper({ sink, learned: 'reference' }),
  );
  const each = async (shards: Iterable<Shard<KeptDocument>>): Promise<void> => {
    for (const { dim, parts } of shards) {
      for (const { kept, ...part } of parts) {
        const derivations = kept.segments.flatMap(({ derived }) => derived ?? []);
        await next({ ...part, ...kept, dim, derived: [...new Set(derivations)].sort() });
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
