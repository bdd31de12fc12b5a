import { MODALITIES, type Modality } from '../records.ts';

/** What a split in hand has done so far. */
export interface SplitTally {
  /** Records the source has come to, those it rejected itself included. */
  records: number;
  documentsRead: number;
  bytesRead: number;
  /** Of what was read, bytes of documents that were cut into segments, and how many bytes those hold. */
  readonly cut: { from: number; to: number };
  documents: number;
  segments: number;
  bytes: number;
  patches: number;
  /** Sum over all bytes, in nats. */
  entropy: number;
  /** The mix of what was written. */
  readonly modalities: Map<Modality, { segments: number; bytes: number; patches: number }>;
}

export const emptyTally = (): SplitTally => ({
  records: 0,
  documentsRead: 0,
  bytesRead: 0,
  cut: { from: 0, to: 0 },
  documents: 0,
  segments: 0,
  bytes: 0,
  patches: 0,
  entropy: 0,
  modalities: new Map(),
});

/** What a commit says of a split, and of each modality that it has: `<modality>_segments`, `_bytes` and `_patches`. */
export function countsOf(tally: SplitTally): Record<string, number> {
  const { documents, segments, bytes, patches, entropy } = tally;
  const base = { records_read: tally.records, documents_read: tally.documentsRead, bytes_read: tally.bytesRead };
  return patches === 0 ? base : { ...base, documents, segments, bytes, patches, entropy, ...mixOf(tally) };
}

function mixOf({ modalities }: SplitTally): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const modality of MODALITIES) {
    for (const [name, count] of Object.entries(modalities.get(modality) ?? {})) counts[`${modality}_${name}`] = count;
  }
  return counts;
}
