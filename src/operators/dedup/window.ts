import { BandIndex, type Match } from '../../lsh/bandIndex.ts';
import { jaccard } from '../../lsh/jaccard.ts';
import type { Duplicate } from './duplicatesFile.ts';
import { Half } from './half.ts';
import { Keeper, type Known, keeperOf, NearDuplicate } from './known.ts';
import type { DedupSettings } from './settings.ts';
import { type HalfLimits, halfLimits, idBytes } from './windowSize.ts';

/** A document as the window compares it. What it keeps of views it copies. */
export interface WindowDocument {
  readonly id: string;
  /** Place in the order of the source, from 0. */
  readonly ordinal: number;
  /** 128 bits of the hash of its bytes. */
  readonly hash: Uint32Array;
  /** Needed where near duplicates are looked for. */
  readonly signature: Uint32Array | undefined;
  readonly bytes: Uint8Array;
}

/** Whose duplicate a document is. */
export type Verdict = Pick<Duplicate, 'duplicate_of' | 'similarity' | 'cluster' | 'kind' | 'joins'>;

interface Candidate {
  readonly known: Known;
  readonly content: Uint8Array | undefined;
  readonly similarity: number;
}

/** What a document is, and the clusters that it has shown to be one with its own. */
interface Judged {
  readonly known: Known;
  readonly joins?: readonly number[];
}

/** Documents found by the same band: where many are alike, so many stand for all. */
const MEMBERS = 8;
/** Candidates that are compared exactly: the most alike by signature. */
const MOST_COMPARED = 16;

/**
 * Remembers the latest documents, and says whose duplicate the next one is. When half of its documents have come since it
 * last forgot any, it forgets the other half; when their ids, or their contents where it keeps them, have used up their
 * half of the room in bytes, it does so earlier. What it says depends on the order of the documents alone.
 *
 * A document like an earlier one is of its cluster, whether that one was kept or not. Clusters that it is like are one from
 * then on. It is remembered too, so a cluster lasts while alike documents come. A document with the bytes of another
 * is remembered again only where that one is in the older half: a million copies take up two places, and a document is known
 * until as many different ones as a half holds have come behind it or its last copy.
 */
export class Window {
  readonly #settings: DedupSettings;
  readonly #limits: HalfLimits;
  readonly #index: BandIndex | undefined;
  #old: Half;
  #young: Half;
  /** The next document's number in the index. */
  #next = 0;

  constructor(settings: DedupSettings) {
    const { near, banding, components } = settings;
    const limits = halfLimits(settings.window, settings);
    this.#settings = settings;
    this.#limits = limits;
    this.#old = new Half(0, limits.documents);
    this.#young = new Half(1, limits.documents);
    if (!near) return;
    const documents = 2 * limits.documents;
    this.#index = new BandIndex({ banding, components, documents, bytes: Number.POSITIVE_INFINITY, members: MEMBERS });
  }

  /** Documents that it remembers. */
  get documents(): number {
    return this.#old.documents + this.#young.documents;
  }

  /** Bytes of ids and contents that it remembers. */
  get bytes(): number {
    return this.#old.bytes + this.#young.bytes;
  }

  /** Compares a document with those before it and remembers it. Undefined where it is to be kept. */
  place(document: WindowDocument): Verdict | undefined {
    const { hash } = document;
    const recent = this.#young.find(hash);
    if (recent !== undefined) return verdictOn(recent);
    const earlier = this.#old.find(hash);
    const { known, joins = [] } = this.#remember(document, earlier);
    if (earlier === undefined && known instanceof Keeper) return undefined;
    return joins.length === 0 ? verdictOn(known) : { ...verdictOn(known), joins };
  }

  /** Adds the document to the younger half; unless it is known already, it is judged by what it matches. */
  #remember(document: WindowDocument, earlier: Known | undefined): Judged {
    const { id, hash, signature, bytes } = document;
    const content = this.#keeps(bytes) ? bytes.slice() : undefined;
    if (this.#isFull(idBytes(id) + (content?.length ?? 0))) this.#forgetHalf();
    const judged = this.#enter(signature, document, earlier);
    this.#next = (this.#next + 1) >>> 0;
    this.#young.add(judged.known, hash, content);
    return judged;
  }

  #enter(signature: Uint32Array | undefined, document: WindowDocument, earlier: Known | undefined): Judged {
    const index = this.#index;
    if (index === undefined || signature === undefined) return { known: earlier ?? keeperFor(document) };
    if (earlier === undefined) return this.#judge(document, index, signature);
    index.add(this.#next, signature);
    return { known: earlier };
  }

  #keeps(bytes: Uint8Array): boolean {
    return this.#index !== undefined && this.#settings.verify === 'jaccard' && bytes.length <= this.#limits.mostContent;
  }

  /** A half holds one document at least, and otherwise no more than its limits. */
  #isFull(size: number): boolean {
    const { documents, bytes } = this.#young;
    return documents === this.#limits.documents || (documents > 0 && bytes + size > this.#limits.bytes);
  }

  #forgetHalf(): void {
    [this.#old, this.#young] = [this.#young, this.#old];
    this.#young.restart(this.#next);
    this.#index?.forgetHalf();
  }

  #judge(document: WindowDocument, index: BandIndex, signature: Uint32Array): Judged {
    const { verify, threshold } = this.#settings;
    const matches = index.matchesAndAdd(this.#next, signature, verify === 'signature' ? threshold : 0);
    if (matches.length === 0) return { known: keeperFor(document) };
    const most = verify === 'jaccard' ? MOST_COMPARED : matches.length;
    const likely = matches.toSorted((a, b) => b.similarity - a.similarity).slice(0, most);
    const candidates = likely.map((match) => this.#candidate(match)).sort(byKeeper);
    let found: NearDuplicate | undefined;
    const joins = new Set<number>();
    for (const candidate of candidates) {
      const keeper = keeperOf(candidate.known);
      // one document of a cluster that is alike is enough
      if (keeper.cluster === found?.keeper.cluster) continue;
      const similarity = this.#similarity(document, candidate);
      if (similarity < threshold) continue;
      if (found === undefined) {
        found = new NearDuplicate(keeper, similarity);
      } else {
        joins.add(found.keeper.cluster).add(keeper.cluster);
        found.keeper.join(keeper);
      }
    }
    if (found === undefined) return { known: keeperFor(document) };
    joins.delete(found.keeper.cluster);
    return { known: found, joins: [...joins].sort((a, b) => a - b) };
  }

  #candidate({ id, similarity }: Match): Candidate {
    const found = this.#young.at(id) ?? this.#old.at(id);
    if (found === undefined) throw new RangeError(`The window has forgotten document ${id}, its index has not.`);
    return { ...found, similarity };
  }

  /** Exactly, or by signature where that is asked for or a content is too large to be kept. */
  #similarity({ bytes }: WindowDocument, { content, similarity }: Candidate): number {
    return content !== undefined && this.#keeps(bytes) ? jaccard(content, bytes, this.#settings.shingle) : similarity;
  }
}

function keeperFor({ id, ordinal }: WindowDocument): Keeper {
  // a string of its own: an id may be a piece of one that is far longer
  return new Keeper(JSON.parse(JSON.stringify(id)), ordinal);
}

/** By the document that was kept, the earliest first, and itself before its duplicates; those stay as they are. */
function byKeeper(a: Candidate, b: Candidate): number {
  const rank = ({ known }: Candidate): number => (known instanceof Keeper ? 0 : 1);
  return keeperOf(a.known).number - keeperOf(b.known).number || rank(a) - rank(b);
}

/** What is said of a document that is known, and of its copies. */
function verdictOn(known: Known): Verdict {
  const { id, cluster } = keeperOf(known);
  if (known instanceof Keeper) return { duplicate_of: id, similarity: 1, cluster, kind: 'exact' };
  return { duplicate_of: id, similarity: known.similarity, cluster, kind: 'near' };
}
