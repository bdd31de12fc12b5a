import type { Budget } from '../../budget.ts';
import type { SegmentTable } from '../../view.ts';

/** Units of a text in columns, as in {@link SegmentTable}: they tile its bytes, and none is empty. */
export type Units = Pick<SegmentTable, 'ends' | 'labels' | 'labelOf' | 'metas' | 'metaOf'>;

/**
 * Divides UTF-8 into units. Bytes that begin no character are units, or part of one, as well. What grows with the text is
 * charged before it is made.
 */
export type Divide = (bytes: Uint8Array, budget: Budget) => Units;
