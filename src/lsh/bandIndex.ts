import { PipelineError } from '../errors.ts';
import { type Banding, requireBanding } from './bands.ts';
import { BandTables, bytesPerDocument } from './bandTables.ts';
import { ShortSignature } from './shortSignature.ts';
import { DEFAULT_COMPONENTS, requireComponents } from './signature.ts';

export interface BandIndexOptions {
  /** Default: 20 bands of 5 rows. */
  readonly banding?: Banding | undefined;
  /** Of a signature. Default: 100. */
  readonly components?: number | undefined;
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
  /** The estimate of {@link similarity}; two components in 65,536 that differ count as equal. */
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
 * @throws PipelineError `BAD_BANDS`, `BAD_COMPONENTS`, or `BAD_WINDOW` where there is no room for two documents, or for
 *   more than 2^31
 */
export class BandIndex {
  /** Documents held at once. */
  readonly documents: number;
  readonly #short: ShortSignature;
  #young: BandTables;
  #old: BandTables;

  constructor(options: BandIndexOptions = {}) {
    const { banding = DEFAULT_BANDING, components = DEFAULT_COMPONENTS, members = 16 } = options;
    requireComponents(components);
    requireBanding(banding, components);
    const perDocument = bytesPerDocument(components, banding);
    this.documents = Math.min(options.documents ?? 500_000, Math.floor((options.bytes ?? 256e6) / perDocument));
    const half = Math.floor(this.documents / 2);
    if (!(half >= 1 && half <= 2 ** 30 && members >= 1)) {
      throw new PipelineError(`an index of ${this.documents} documents, ${members} to a band, is not possible`, {
        code: 'BAD_WINDOW',
        hint: `a document takes ${perDocument} bytes; give room for 2 to 2^31 of them`,
      });
    }
    this.#short = new ShortSignature(banding, components);
    this.#young = new BandTables(banding, components, members, half);
    this.#old = new BandTables(banding, components, members, half);
  }

  /** Documents at least so similar that share a band with this one: those added first come first. */
  matches(signature: Uint32Array, least = 0): Match[] {
    this.#take(signature);
    return [this.#old, this.#young].flatMap((tables) =>
      tables
        .find(this.#short)
        .map((row) => ({ id: tables.idOf(row), similarity: tables.similarity(row, this.#short) }))
        .filter(({ similarity }) => similarity >= least),
    );
  }

  /** Adds a document under a number below 2^32. */
  add(id: number, signature: Uint32Array): void {
    if (this.#young.isFull) {
      [this.#old, this.#young] = [this.#young, this.#old];
      this.#young.clear();
    }
    this.#take(signature);
    this.#young.add(id, this.#short);
  }

  #take(signature: Uint32Array): void {
    const components = this.#short.values.length;
    if (signature.length !== components) {
      throw new RangeError(`A signature of ${signature.length} components does not fit an index of ${components}.`);
    }
    this.#short.take(signature);
  }
}
