import { LRUCache } from 'lru-cache';
import type { sqliteOpener } from '../formats/sqlite.ts';
import { GraphFile, type Sizes } from './graphFile.ts';
import { TableReader } from './tableReader.ts';

/** Databases that are open at once. */
const OPEN = 16;

/** What of a graph is held by one database: from these numbers on. */
export interface Slot {
  /** Place among all. */
  readonly index: number;
  readonly file: string;
  readonly graph: GraphFile;
  readonly first: Sizes;
}

const kinds = ['documents', 'segments', 'patches', 'nodes', 'edges'] as const;

/** The databases of a graph, in order: numbers of each go on from those before. */
export class GraphFiles {
  readonly slots: readonly Slot[];
  readonly sizes: Sizes;
  readonly #awake = new LRUCache<string, TableReader>({ max: OPEN, dispose: (reader) => reader.sleep() });

  /** @throws SluiceError `BAD_SIDECAR` or `OLD_SCHEMA`, OutputError `SQLITE_...` */
  constructor(files: readonly string[], open: Awaited<ReturnType<typeof sqliteOpener>>) {
    const slots: Slot[] = [];
    let first: Sizes = { documents: 0, segments: 0, patches: 0, nodes: 0, edges: 0 };
    try {
      for (const [index, file] of files.entries()) {
        const reader: TableReader = new TableReader(
          file,
          () => open(file, { readonly: true, fileMustExist: true }),
          () => this.#awake.get(file) ?? this.#awake.set(file, reader),
        );
        const graph = new GraphFile(reader);
        slots.push({ index, file, graph, first });
        first = sum(first, graph.sizes);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.slots = slots;
    this.sizes = first;
  }

  get isCorpus(): boolean {
    return this.slots.some(({ graph }) => graph.isCorpus);
  }

  /** The slot that holds a number; undefined where there is no such thing. */
  with(kind: keyof Sizes, number: number): Slot | undefined {
    if (!(Number.isSafeInteger(number) && number >= 0 && number < this.sizes[kind])) return undefined;
    let [low, high] = [0, this.slots.length];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.slots[middle]?.first[kind] ?? 0) <= number) low = middle + 1;
      else high = middle;
    }
    return this.slots[low - 1];
  }

  /** Closes all files. */
  close(): void {
    this.#awake.clear();
  }
}

function sum(a: Sizes, b: Sizes): Sizes {
  const sums = { ...a };
  for (const kind of kinds) sums[kind] = a[kind] + b[kind];
  return sums;
}
