import type { CommitRecord } from './commitRecord.ts';

/**
 * Follows a plan's splits in their order, and tells which a run has to commit: all of them, or under a document limit
 * those up to the one with which the limit is reached. Which come after a split without a commit nobody can tell then.
 */
export class LimitFollower {
  #left: number;
  #gap = false;

  constructor(limit: number | null) {
    this.#left = limit ?? Number.POSITIVE_INFINITY;
  }

  /** No split so far lacked a commit that a run has to make. */
  get complete(): boolean {
    return !this.#gap;
  }

  /** Whether the next split is known to need a commit. */
  get due(): boolean {
    return this.#left > 0 && (!this.#gap || this.#left === Number.POSITIVE_INFINITY);
  }

  /** Documents the next split may read at most. */
  get left(): number {
    return Math.max(0, this.#left);
  }

  pass(commit: CommitRecord | undefined): void {
    if (commit === undefined) this.#gap ||= this.#left > 0;
    else this.#left -= commit.counts['documents_read'] ?? 0;
  }
}
