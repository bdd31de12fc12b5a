import { type PatcherOptions, type StartRule, startRule } from './patcher.ts';
import { BOS_ID, BYTE_OFFSET } from './tokenizer.ts';

/** How patches are cut: plain data, which may cross to another process. */
export interface PatchRule extends Pick<PatcherOptions, 'threshold' | 'monotonicity' | 'thresholdAdd' | 'patchSize'> {
  readonly mode: 'entropy' | 'space' | 'byte' | 'static';
  /** Bytes. */
  readonly maxLength: number;
}

/** What the bytes of a segment so far mean for those that follow. */
export interface PatchState {
  /** Offset of the next byte within its segment. */
  readonly offset: number;
  /** Bytes of the open patch. */
  readonly length: number;
  /** About the byte before. */
  readonly entropy: number;
  /** Tokens of the byte before, and of the one before that. */
  readonly id: number;
  readonly idBefore: number;
}

const START: PatchState = { offset: 0, length: 0, entropy: 0, id: BOS_ID, idBefore: BOS_ID };

/** Finds where patches end as the runs of a segment come; it does not matter how the runs were cut. */
export class PatchEnds {
  readonly #rule: StartRule;
  readonly #maxLength: number;
  #state: PatchState;

  /** Throws PipelineError `BAD_OPTION`. */
  constructor(rule: PatchRule, state: PatchState = START) {
    this.#rule = startRule(rule);
    this.#maxLength = rule.maxLength;
    this.#state = state;
  }

  get state(): PatchState {
    return this.#state;
  }

  /**
   * Ends within the next run, as offsets into it: before every byte that starts a patch, and behind the last run.
   * @param entropies nats, about each byte
   */
  push(bytes: ArrayLike<number>, entropies: ArrayLike<number>, last: boolean): number[] {
    const ends: number[] = [];
    let { offset, length, entropy: before, id, idBefore } = this.#state;
    for (let i = 0; i < bytes.length; i++, offset++, length++) {
      const entropy = entropies[i] ?? 0;
      if (offset > 0 && (length >= this.#maxLength || this.#rule(offset, entropy, before, id, idBefore))) {
        ends.push(i);
        length = 0;
      }
      before = entropy;
      idBefore = id;
      id = (bytes[i] ?? 0) + BYTE_OFFSET;
    }
    this.#state = { offset, length, entropy: before, id, idBefore };
    if (last && bytes.length > 0) ends.push(bytes.length);
    return ends;
  }
}
