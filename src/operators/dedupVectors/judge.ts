import { PipelineError } from '../../errors.ts';
import type { Step } from '../../flow/index.ts';
import type { DocumentHead, Meta, Patches } from '../../records.ts';
import type { Duplicate } from '../dedup/duplicatesFile.ts';
import { MeanState } from './meanState.ts';
import type { DedupVectorsSettings } from './settings.ts';
import { FIRST_DOCUMENTS, PlainSpace, type Space, WhitenedSpace } from './space.ts';
import { VectorWindow } from './vectorWindow.ts';

/** What is handed on: patches that stay, or what became of a document that does not. */
export type Judged<M extends Meta> = { readonly patches: Patches<M> } | { readonly duplicate: Duplicate };

/** Six decimals are the same on every machine. */
const DECIMALS = 1e6;

/** What a document that waits takes besides what is counted. */
const OPEN_BYTES = 512;

/** A document that is not judged yet. */
interface Open<M extends Meta> {
  readonly document: DocumentHead<M>;
  readonly number: number;
  readonly state: MeanState;
  readonly values: Patches<M>[];
  /** What it takes in memory. */
  held: number;
  ended: boolean;
  learned: boolean;
}

/**
 * Holds the beginning of each document until it can be judged, then lets it pass or drops it with all that follows of it.
 * The first documents wait until there are enough of them to learn from, or they fill the room.
 */
export class Judge<M extends Meta> implements Step<Patches<M>, Judged<M>> {
  readonly #settings: DedupVectorsSettings;
  #memory: { readonly space: Space; readonly window: VectorWindow } | undefined;
  /** In order; only the last one may not have ended. */
  #waiting: Open<M>[] = [];
  #held = 0;
  /** Documents that wait, have ended and are long enough. */
  #complete = 0;
  #number = 0;
  #id: string | undefined;
  /** Of the document in hand. */
  #verdict: 'open' | 'kept' | 'dropped' = 'kept';

  constructor(settings: DedupVectorsSettings) {
    this.#settings = settings;
  }

  next(value: Patches<M>): Judged<M>[] | undefined {
    const { segment } = value;
    if (segment.document.id !== this.#id || (segment.index === 0 && value.offset === 0)) this.#begin(value);
    if (this.#verdict === 'kept') return [{ patches: value }];
    const open = this.#waiting.at(-1);
    if (this.#verdict === 'dropped' || open === undefined) return undefined;
    requireEmbeddings(value);
    open.values.push(value);
    const before = open.state.holds;
    open.state.add(value);
    const more = bytesOf(value) + open.state.holds - before;
    open.held += more;
    this.#held += more;
    if (value.last && segment.last) this.#end(open);
    return this.#judgeWaiting(this.#held >= this.#settings.holdBytes);
  }

  flush(): Judged<M>[] | undefined {
    this.#endLast();
    return this.#judgeWaiting(true);
  }

  #begin(value: Patches<M>): void {
    // a document that broke off has ended, too
    this.#endLast();
    const { document } = value.segment;
    requireEmbeddings(value);
    const { dim } = value;
    if (this.#memory === undefined) {
      const space = this.#settings.space === 'plain' ? new PlainSpace() : new WhitenedSpace(dim);
      this.#memory = { space, window: new VectorWindow(this.#settings, dim, space) };
    }
    const state = new MeanState(dim, this.#settings.headBytes);
    const number = this.#number++;
    const held = OPEN_BYTES + state.holds;
    this.#held += held;
    this.#waiting.push({ document, number, state, values: [], held, ended: false, learned: false });
    this.#id = document.id;
    this.#verdict = 'open';
  }

  #endLast(): void {
    const last = this.#waiting.at(-1);
    if (last !== undefined && !last.ended) this.#end(last);
  }

  #end(open: Open<M>): void {
    open.ended = true;
    if (open.state.bytes >= this.#settings.leastBytes) this.#complete++;
  }

  #judgeWaiting(roomIsFull: boolean): Judged<M>[] | undefined {
    if (this.#memory === undefined) return undefined;
    const { space } = this.#memory;
    if (!space.ready) {
      if (!roomIsFull && this.#complete < FIRST_DOCUMENTS) return undefined;
      for (const open of this.#waiting) this.#learn(open);
      space.settle();
    }
    const results: Judged<M>[] = [];
    let count = 0;
    for (const open of this.#waiting) {
      if (!open.ended && !open.state.isFull && !roomIsFull) break;
      for (const result of this.#judge(open)) results.push(result);
      this.#held -= open.held;
      count++;
    }
    this.#waiting = this.#waiting.slice(count);
    if (this.#waiting.length > 0) this.#verdict = 'open';
    return results;
  }

  #judge(open: Open<M>): Judged<M>[] {
    const duplicate = this.#duplicate(open);
    this.#verdict = duplicate === undefined ? 'kept' : 'dropped';
    return duplicate === undefined ? open.values.map((patches) => ({ patches })) : [{ duplicate }];
  }

  #duplicate(open: Open<M>): Duplicate | undefined {
    const { document, number, state } = open;
    if (this.#memory === undefined || state.bytes < this.#settings.leastBytes) return undefined;
    const { space, window } = this.#memory;
    const placed = window.place(state.mean());
    const like = window.find(placed);
    if (like === undefined) {
      window.add({ id: document.id, number }, placed);
      this.#learn(open);
      if (space.isDue) {
        space.settle();
        window.rebuild();
      }
      return undefined;
    }
    const { id, source } = document;
    const { uri, position } = source;
    const similarity = Math.round(like.similarity * DECIMALS) / DECIMALS;
    return { id, duplicate_of: like.id, similarity, cluster: like.number, kind: 'near', uri, position };
  }

  #learn(open: Open<M>): void {
    if (open.learned || open.state.bytes < this.#settings.leastBytes) return;
    open.learned = true;
    this.#memory?.space.learn(open.state.windows());
  }
}

function requireEmbeddings({ dim, lengths, embeddings, segment }: Patches): void {
  if (dim > 0 && embeddings.length === dim * lengths.length) return;
  const { id, source } = segment.document;
  throw new PipelineError(`dedupVectors: the patches of document '${id}' have no embeddings`, {
    code: 'NO_EMBEDDINGS',
    path: source.uri,
    position: source.position,
    hint: 'it needs the states that embed hands on by default: leave out { preNorm: false }',
  });
}

function bytesOf({ bytes, lengths, embeddings, entropies, norms }: Patches): number {
  return bytes.length + 4 * (4 * lengths.length + embeddings.length + entropies.length + norms.length);
}
