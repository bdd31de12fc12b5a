/** Pieces that a device has at once: one is computed, one is on its way there, one on its way back. */
const IN_HAND = 3;

/** Some of many rows. */
export interface Piece {
  readonly first: number;
  readonly count: number;
}

/**
 * Works on all rows, a piece at a time, a few pieces at once. Where one fails no other is begun; its error is thrown when
 * those in hand have ended.
 *
 * @param most rows of a piece
 */
export async function inPieces(rows: number, most: number, work: (piece: Piece) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < rows && !failed) {
      const first = next;
      next += most;
      try {
        await work({ first, count: Math.min(most, rows - first) });
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: IN_HAND }, worker));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
