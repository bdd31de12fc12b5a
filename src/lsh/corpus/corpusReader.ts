import { damaged, PageCache } from '../../formats/pageCache.ts';
import { jaccard } from '../jaccard.ts';
import { leastEstimate } from './leastEstimate.ts';
import {
  type CorpusPart,
  type CorpusSettings,
  type DocumentRow,
  partOf,
  ROW_BYTES,
  readRow,
  signatureBytes,
} from './parts.ts';

/** Bytes of the largest document whose shingles are compared one by one. */
const MOST_COMPARED = 1 << 20;

/** Looks documents of a corpus up by their numbers. Reading blocks; memory is that of its page cache: 16 MiB. */
export class CorpusReader {
  readonly #parts: readonly CorpusPart[];
  readonly #settings: CorpusSettings;
  /** Texts of pairs whose signatures agree less are not read. */
  readonly #leastEstimate: number;
  readonly #cache = new PageCache();

  constructor(parts: readonly CorpusPart[], settings: CorpusSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#leastEstimate = leastEstimate(settings.threshold, settings.components);
  }

  row(document: number): DocumentRow {
    const { file, first } = partOf(this.#parts, document);
    return readRow(this.#cache.row(`${file}.documents`, ROW_BYTES, document - first));
  }

  id(document: number): string {
    const [id = ''] = this.ids(document, 1);
    return id;
  }

  /** The ids of so many documents of one part, from this one on: read at once. */
  ids(document: number, count: number): string[] {
    if (count === 0) return [];
    const { file, first } = partOf(this.#parts, document);
    const ends = Array.from({ length: count }, (_, i) => this.row(document + i).idEnd);
    const start = document === first ? 0 : this.row(document - 1).idEnd;
    const bytes = Buffer.from(this.#cache.range(`${file}.ids`, start, ends.at(-1) ?? start).buffer);
    return ends.map((end, i) => {
      const from = ends[i - 1] ?? start;
      if (from <= end) return bytes.toString('utf8', from - start, end - start);
      throw damaged(`${file}.documents`, `the id of document ${document + i} ends before it begins`);
    });
  }

  text(document: number): Uint8Array {
    const { file, first } = partOf(this.#parts, document);
    const start = document === first ? 0 : this.row(document - 1).textEnd;
    return this.#cache.range(`${file}.texts`, start, this.row(document).textEnd);
  }

  /** 16 bits a component. */
  #signature(document: number): Uint8Array {
    const { file, first } = partOf(this.#parts, document);
    return this.#cache.row(`${file}.signatures`, signatureBytes(this.#settings), document - first);
  }

  /** 1 where the bytes of the two are equal; else the Jaccard similarity, exactly or as their signatures estimate it. */
  similarity(a: number, b: number): number {
    if (!this.#settings.near) return this.sameBytes(a, b) ? 1 : 0;
    const estimate = agreement(this.#signature(a), this.#signature(b));
    // documents with equal bytes have equal signatures
    if (estimate === 1 && this.sameBytes(a, b)) return 1;
    if (this.#settings.verify === 'signature' || estimate < this.#leastEstimate) return estimate;
    if (Math.max(this.#length(a), this.#length(b)) > MOST_COMPARED) return estimate;
    return jaccard(this.text(a), this.text(b), this.#settings.shingle);
  }

  #length(document: number): number {
    const { first } = partOf(this.#parts, document);
    return this.row(document).textEnd - (document === first ? 0 : this.row(document - 1).textEnd);
  }

  sameBytes(a: number, b: number): boolean {
    return Buffer.compare(this.row(a).hash, this.row(b).hash) === 0;
  }

  close(): void {
    this.#cache.close();
  }
}

/** The share of components of 16 bits that are the same. */
function agreement(a: Uint8Array, b: Uint8Array): number {
  let equal = 0;
  for (let i = 0; i < a.length; i += 2) if (a[i] === b[i] && a[i + 1] === b[i + 1]) equal++;
  return equal / (a.length / 2);
}
