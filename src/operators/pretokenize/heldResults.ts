/** A turn of {@link HeldResults}. */
export interface Turn {
  /** Resolves when so many bytes may be held. */
  take(bytes: number): Promise<void>;
  /** Nothing of it is held any more; also to be called where nothing was. */
  end(): void;
}

/**
 * Bounds the bytes of results that wait for earlier ones: a result is taken where it fits beside those that are held, and
 * that of the oldest turn always is, so that nobody waits for ever.
 */
export class HeldResults {
  readonly #limit: number;
  readonly #turns = new Set<{ bytes: number; wanted: number; granted: (() => void) | undefined }>();
  #held = 0;

  /** @param limit bytes; exceeded by one result at most */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The next turn, in the order of the results. */
  turn(): Turn {
    const turn = { bytes: 0, wanted: 0, granted: undefined as (() => void) | undefined };
    this.#turns.add(turn);
    return {
      take: (bytes) =>
        new Promise<void>((resolve) => {
          turn.wanted = bytes;
          turn.granted = resolve;
          this.#grant();
        }),
      end: () => {
        if (!this.#turns.delete(turn)) return;
        this.#held -= turn.bytes;
        this.#grant();
      },
    };
  }

  #grant(): void {
    let oldest = true;
    for (const turn of this.#turns) {
      if (turn.granted !== undefined) {
        if (!oldest && this.#held + turn.wanted > this.#limit) return;
        this.#held += turn.wanted;
        turn.bytes += turn.wanted;
        turn.granted();
        turn.granted = undefined;
      }
      oldest = false;
    }
  }
}
