import { PipelineError } from '../../errors.ts';
import { BandIndex } from '../../lsh/bandIndex.ts';
import { bytesPerDocument } from '../../lsh/bandTables.ts';
import { BitSignature } from '../../lsh/bitSignature.ts';
import { agreementOf, cosineOf } from '../../lsh/projections.ts';
import { Projector } from '../../lsh/projector.ts';
import type { DedupVectorsSettings } from './settings.ts';
import type { Space } from './space.ts';

/** A document that was kept. */
export interface Keeper {
  readonly id: string;
  /** Counted from 0 in the order of the source. */
  readonly number: number;
}

export interface Likeness extends Keeper {
  readonly similarity: number;
}

/** A vector, and where the space has it. */
export interface Placed {
  readonly vector: Float32Array;
  readonly placed: Float32Array;
  /** None without a direction. */
  readonly signature: Uint16Array | undefined;
}

/** Room for one id with what it is held in; an average. */
const ID_BYTES = 160;
/** Vectors of one piece of memory: it is taken as documents come. */
const CHUNK = 1024;
/** Standard deviations that the bits of a pair may lie below the threshold before its vectors are not compared. */
const DEVIATIONS = 4;

/** The documents that were kept last, by the direction of their vectors. */
export class VectorWindow {
  readonly #settings: DedupVectorsSettings;
  readonly #space: Space;
  readonly #projector: Projector;
  readonly #dim: number;
  readonly #documents: number;
  readonly #leastAgreement: number;
  #index: BandIndex;
  /** Documents are numbered as they are added; those from the first one on are remembered, in a ring. */
  #first = 0;
  #next = 0;
  readonly #keepers: (Keeper | undefined)[] = [];
  readonly #chunks: Float32Array[] = [];
  #idBytes = 0;

  /** @throws PipelineError `BAD_WINDOW` */
  constructor(settings: DedupVectorsSettings, dim: number, space: Space) {
    this.#settings = settings;
    this.#space = space;
    this.#dim = dim;
    const { bits, banding, threshold, window } = settings;
    const keepsVectors = settings.verify === 'exact';
    const perDocument = bytesPerDocument(new BitSignature(banding, bits)) + (keepsVectors ? 4 * dim : 0) + ID_BYTES;
    this.#documents = Math.floor(Math.min(window.documents, window.bytes / perDocument));
    if (this.#documents < 2) {
      throw new PipelineError(`dedupVectors: a window of ${this.#documents} documents is not possible`, {
        code: 'BAD_WINDOW',
        hint: `a document takes ${perDocument} bytes; give room for two at least`,
      });
    }
    this.#projector = new Projector({ dim, bits });
    this.#index = this.#newIndex();
    const p = agreementOf(threshold);
    this.#leastAgreement = settings.verify === 'bits' ? p : p - DEVIATIONS * Math.sqrt((p * (1 - p)) / bits);
  }

  place(vector: Float32Array): Placed {
    const placed = this.#space.place(vector);
    return { vector, placed, signature: this.#projector.sign([placed])[0] };
  }

  /** The first document that was kept and is alike. */
  find({ placed, signature }: Placed): Likeness | undefined {
    if (signature === undefined) return undefined;
    const { verify, threshold } = this.#settings;
    for (const match of this.#index.matches(signature, this.#leastAgreement)) {
      const keeper = match.id < this.#first ? undefined : this.#keepers[match.id % this.#documents];
      if (keeper === undefined) continue;
      if (verify === 'bits') return { ...keeper, similarity: cosineOf(match.similarity) };
      const similarity = this.#space.similarity(placed, this.#space.place(this.#vectorAt(match.id)));
      if (similarity >= threshold) return { ...keeper, similarity };
    }
    return undefined;
  }

  /** Remembers a document, and forgets those added longest ago where there is no room. One with a huge id is not remembered. */
  add(keeper: Keeper, { vector, signature }: Placed): void {
    const room = ID_BYTES * this.#documents;
    const bytes = idBytes(keeper.id);
    if (bytes > room / 2) return;
    while (this.#next - this.#first === this.#documents || this.#idBytes + bytes > room) this.#forget();
    this.#idBytes += bytes;
    const place = this.#next % this.#documents;
    this.#keepers[place] = keeper;
    if (this.#settings.verify === 'exact') this.#store(place, vector);
    if (signature !== undefined) this.#index.add(this.#next, signature);
    this.#next++;
  }

  /** The space has changed, and all vectors lie elsewhere. */
  rebuild(): void {
    this.#index = this.#newIndex();
    for (let number = this.#first; number < this.#next; number++) {
      const { signature } = this.place(this.#vectorAt(number));
      if (signature !== undefined) this.#index.add(number, signature);
    }
  }

  #forget(): void {
    const place = this.#first++ % this.#documents;
    this.#idBytes -= idBytes(this.#keepers[place]?.id ?? '');
    this.#keepers[place] = undefined;
  }

  #store(place: number, vector: Float32Array): void {
    const chunk = Math.floor(place / CHUNK);
    this.#chunks[chunk] ??= new Float32Array(this.#dim * Math.min(CHUNK, this.#documents - chunk * CHUNK));
    this.#vectorAt(place).set(vector);
  }

  #newIndex(): BandIndex {
    const { bits, banding } = this.#settings;
    return new BandIndex({ bits, banding, documents: this.#documents, bytes: Number.MAX_SAFE_INTEGER });
  }

  #vectorAt(number: number): Float32Array {
    const place = number % this.#documents;
    const start = (place % CHUNK) * this.#dim;
    return this.#chunks[Math.floor(place / CHUNK)]?.subarray(start, start + this.#dim) ?? new Float32Array(this.#dim);
  }
}

/** A list entry, an object and a string of two bytes a character. */
function idBytes(id: string): number {
  return 64 + 2 * id.length;
}
