import type { Limits } from '../../decoders/limits.ts';
import { Failure } from '../../sources/failure.ts';

/** What one record may still become; shared by all its views and members, however deep. */
export class Budget {
  readonly #limits: Pick<Limits, 'decodedBytes' | 'members' | 'depth'>;
  #bytes = 0;
  #members = 0;

  constructor(limits: Pick<Limits, 'decodedBytes' | 'members' | 'depth'>) {
    this.#limits = limits;
  }

  /** Bytes that can still be taken. */
  get left(): number {
    return this.#limits.decodedBytes - this.#bytes;
  }

  /**
   * Counts bytes that are about to be made. What is thrown away again may be given back with a negative number.
   * @throws Failure `DECODED_TOO_LARGE`
   */
  take(bytes: number, what: string): void {
    if (!(this.#bytes + bytes <= this.#limits.decodedBytes)) {
      throw new Failure(
        'DECODED_TOO_LARGE',
        `${what} takes ${bytes} bytes, and ${this.left} of ${this.#limits.decodedBytes} are left for this record`,
        'Raise it with pretokenize({ limits: { decodedBytes } }), or leave such records out.',
      );
    }
    this.#bytes += bytes;
  }

  /** Counts a member. @throws Failure `TOO_MANY_MEMBERS` */
  takeMember(): void {
    if (this.#members >= this.#limits.members) {
      throw new Failure(
        'TOO_MANY_MEMBERS',
        `the record has more than ${this.#limits.members} members`,
        'Raise it with pretokenize({ limits: { members } }), or read the archive with tar() or zip().',
      );
    }
    this.#members++;
  }

  /** Checks that members at this depth may be opened: 1 for those of the record itself. @throws Failure `NESTED_TOO_DEEP` */
  requireDepth(depth: number): void {
    if (depth <= this.#limits.depth) return;
    throw new Failure(
      'NESTED_TOO_DEEP',
      `archives lie ${depth} deep in one another, and ${this.#limits.depth} are allowed`,
      'Raise it with pretokenize({ limits: { depth } }) if that is meant.',
    );
  }
}
