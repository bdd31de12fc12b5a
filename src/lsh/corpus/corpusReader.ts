import { uint16From } from '../../formats/littleEndian.ts';
import { PageCache } from '../../formats/pageCache.ts';
import { jaccard } from '../jaccard.ts';
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
  readonly #cache = new PageCache();

  constructor(parts: readonly CorpusPart[], settings: CorpusSettings) {
    // a part without documents has no files and would stand between two with the same first number
    this.#parts = parts.filter((part) => part.documents > 0);
    this.#settings = settings;
  }

  row(document: number): DocumentRow {
    const { file, first } = partOf(this.#parts, document);
    return readRow(this.#cache.row(`${file}.documents`, ROW_BYTES, document - first));
  }

  id(document: number): string {
    const { file, first } = partOf(this.#parts, document);
    const start = document === first ? 0 : this.row(document - 1).idEnd;
    return Buffer.from(this.#cache.range(`${file}.ids`, start, this.row(document).idEnd)).toString();
  }

  text(document: number): Uint8Array {
    const { file, first } = partOf(this.#parts, document);
    const start = document === first ? 0 : this.row(document - 1).textEnd;
    return this.#cache.range(`${file}.texts`, start, this.row(document).textEnd);
  }

  /** 16 bits a component. */
  signature(document: number): Uint16Array {
    const { file, first } = partOf(this.#parts, document);
    return uint16From(this.#cache.row(`${file}.signatures`, signatureBytes(this.#settings), document - first));
  }

  /** 1 where the bytes of the two are equal; else the Jaccard similarity, exactly or as their signatures estimate it. */
  similarity(a: number, b: number): number {
    if (this.sameBytes(a, b)) return 1;
    if (!this.#settings.near) return 0;
    const estimate = agreement(this.signature(a), this.signature(b));
    if (this.#settings.verify === 'signature' || estimate < this.#leastEstimate()) return estimate;
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

  /** Five standard deviations below the threshold: texts of which one in millions would pass are not read. */
  #leastEstimate(): number {
    const { threshold, components } = this.#settings;
    return threshold - 5 * Math.sqrt((threshold * (1 - threshold)) / components);
  }
}

function agreement(a: Uint16Array, b: Uint16Array): number {
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return equal / a.length;
}
