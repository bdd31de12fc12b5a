import { PipelineError } from '../errors.ts';
import { type Banding, requireBanding } from './bands.ts';
import { BandTables, bytesPerDocument } from './bandTables.ts';
import { BitSignature, requireBits, WORD_BITS } from './bitSignature.ts';
import { ShortSignature, type StoredSignature } from './shortSignature.ts';
import { DEFAULT_COMPONENTS, requireComponents } from './signature.ts';

export interface BandIndexOptions {
  /** Default: 20 bands of 5 rows; of bits, as many bands of 16 as there are. */
  readonly banding?: Banding | undefined;
  /** Of a signature. Default: 100. */
  readonly components?: number | undefined;
  /** In place of components: signatures are so many single bits, packed in 16-bit words; a row of a band is a bit. */
  readonly bits?: number | undefined;
  /** Documents held at once; the latest half of them always is. Default: 500,000. */
  readonly documents?: number | undefined;
  /** Memory for them, which may allow fewer. Default: 256 MB. */
  readonly bytes?: number | undefined;
  /** Documents found by the same band: the first ones of many that have it. Default: 16. */
  readonly members?: number | undefined;
}

/** A document that was added before, and is alike. */
export interface Match {
  readonly id: number;
  /**
   * The share of components that are equal, the estimate of {@link similarity}: two in 65,536 that differ count as equal.
   * Of bits, the share that are equal.
   */
  readonly similarity: number;
}

export const DEFAULT_BANDING: Banding = { bands: 20, rows: 5 };

/**
 * Finds, among the documents added before, those that share a band with a new one. Bounded: when half of the documents it
 * may hold have come since it last forgot any, it forgets the other half. What it returns depends on the order of the
 * calls alone. With 100 components and 20 bands a document takes 364 bytes: 500,000 of them 182 MB, taken as they come;
 * for a moment, while it grows, an eighth more.
 *
 *     const index = new BandIndex();
 *     const [first] = index.matches(signature, 0.5);
 *     if (first === undefined) index.add(id, signature);
 *
 * With `bits` it holds signatures of vectors, as a `Projector` makes them: 256 bits in 16 bands of 16 take 164 bytes.
 *
 * @throws PipelineError `BAD_BANDS`, `BAD_COMPONENTS`, or `BAD_WINDOW` where there is no room for two documents, or for
 *   more than 2^31
 */
export class BandIndex {
  /** Documents held at once. */
  readonly documents: number;
  readonly #short: StoredSignature;
  #young: BandTables;
  #old: BandTables;

  constructor(options: BandIndexOptions = {}) {
    const { members = 16 } = options;
    const make = signatureMaker(options);
    this.#short = make();
    const perDocument = bytesPerDocument(this.#short);
    this.documents = Math.min(options.documents ?? 500_000, Math.floor((options.bytes ?? 256e6) / perDocument));
    const half = Math.floor(this.documents / 2);
    if (!(half >= 1 && half <= 2 ** 30 && members >= 1)) {
      throw new PipelineError(`an index of ${this.documents} documents, ${members} to a band, is not possible`, {
        code: 'BAD_WINDOW',
        hint: `a document takes ${perDocument} bytes; give room for 2 to 2^31 of them`,
      });
    }
    this.#young = new BandTables(make(), members, half);
    this.#old = new BandTables(make(), members, half);
  }

  /** Documents at least so similar that share a band with this one: those added first come first. */
  matches(signature: Uint32Array | Uint16Array, least = 0): Match[] {
    this.#take(signature);
    return this.#alike(this.#young.find(this.#short), least);
  }

  /** Adds a document under a number below 2^32. */
  add(id: number, signature: Uint32Array | Uint16Array): void {
    if (this.#young.isFull) this.forgetHalf();
    this.#take(signature);
    this.#young.add(id, this.#short);
  }

  /** Both in less time than one after the other; where `add` forgets documents, that comes before. */
  matchesAndAdd(id: number, signature: Uint32Array | Uint16Array, least = 0): Match[] {
    if (this.#young.isFull) this.forgetHalf();
    this.#take(signature);
    return this.#alike(this.#young.add(id, this.#short), least);
  }

  /** Forgets all documents but those that were added since it last did so. */
  forgetHalf(): void {
    [this.#old, this.#young] = [this.#young, this.#old];
    this.#young.clear();
  }

  #alike(young: readonly number[], least: number): Match[] {
    const matches: Match[] = [];
    this.#collect(this.#old, this.#old.find(this.#short), least, matches);
    this.#collect(this.#young, young, least, matches);
    return matches;
  }

  #collect(tables: BandTables, rows: readonly number[], least: number, matches: Match[]): void {
    for (const row of rows) {
      const similarity = tables.similarity(row, this.#short);
      if (similarity >= least) matches.push({ id: tables.idOf(row), similarity });
    }
  }

  #take(signature: Uint32Array | Uint16Array): void {
    const words = this.#short.values.length;
    if (signature.length !== words) {
      throw new RangeError(`A signature of ${signature.length} numbers does not fit an index of ${words}.`);
    }
    this.#short.take(signature);
  }
}

function signatureMaker({ banding, components = DEFAULT_COMPONENTS, bits }: BandIndexOptions): () => StoredSignature {
  if (bits === undefined) {
    const cut = banding ?? DEFAULT_BANDING;
    requireComponents(components);
    requireBanding(cut, components);
    return () => new ShortSignature(cut, components);
  }
  requireBits(bits);
  const cut = banding ?? { bands: bits / WORD_BITS, rows: WORD_BITS };
  requireBanding(cut, bits);
  return () => new BitSignature(cut, bits);
}
