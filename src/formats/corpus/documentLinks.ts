import type Sqlite from 'better-sqlite3';
import { type LikePairs, likePairs } from '../../lsh/likePairs.ts';
import type { SemanticSettings } from '../../lsh/semantic/settings.ts';
import { Covariance } from '../../lsh/whitening.ts';
import type { EdgeRows } from '../edgeRows.ts';
import { float32From } from '../littleEndian.ts';
import type { CorpusTarget } from './corpusTarget.ts';

/** Documents of a block at most, and their vectors in bytes. */
const BLOCK = 1 << 16;
const BLOCK_BYTES = 32 << 20;
const PAGE = 1024;

/** What it takes besides SQLite: vectors of two blocks, and 700 bytes for each of their documents. */
export const LINK_BYTES = 2 * (BLOCK_BYTES + 700 * BLOCK);

interface VectorRow {
  readonly document: number;
  readonly vector: Buffer;
}

export interface DocumentLinks {
  readonly db: Sqlite.Database;
  readonly target: CorpusTarget;
  readonly edges: EdgeRows;
  readonly settings: SemanticSettings;
  /** Embeddings of patches all over the corpus. */
  readonly samples: readonly Float32Array[];
  /** Documents of the corpus. */
  readonly documents: number;
  /** Called between blocks, and awaited; throws where nobody waits for the result any more. */
  readonly pause: () => void | Promise<void>;
  /** Documents of a block. Default: 65,536, or as many as have room in 32 MiB. */
  readonly block?: number | undefined;
}

/**
 * Links documents by the mean of their states: `semantic` edges between their trunks, and rows of `document_edges` for either
 * direction, in the order of the later document. Each document is compared with those of its block and with all of the block
 * before, as `likePairs` does.
 *
 * Vectors are whitened by patches of all shards, that is by what differs within documents, about the mean of the documents.
 */
export async function addDocumentLinks(links: DocumentLinks): Promise<void> {
  const { db, settings, samples } = links;
  const first = vectorsOf(db).next().value;
  if (settings.documents === null || first === undefined) return;
  const dim = first.vector.length / 4;
  const { threshold, neighbours } = settings.documents;
  const { bits } = settings;
  const place = settings.space === 'plain' ? asIs : whitened(db, samples, dim);
  const block = links.block ?? Math.max(1, Math.min(BLOCK, Math.floor(BLOCK_BYTES / (4 * dim))));
  const vectors = new Float32Array(dim * Math.min(2 * block, links.documents));
  const numbers = new Float64Array(vectors.length / dim);
  const degrees = new Uint8Array(numbers.length);
  const trunkOf = db.prepare<[number], number>('SELECT node_id FROM documents WHERE document = ?').pluck();
  let before = 0;
  let held = 0;
  const link = async (): Promise<void> => {
    await links.pause();
    const found = likePairs({
      vectors: vectors.subarray(0, held * dim),
      dim,
      threshold,
      neighbours,
      bits,
      from: before,
      degrees: degrees.subarray(0, held),
    });
    addEdges(links, found, numbers, (document) => trunkOf.get(document) ?? 0);
    vectors.copyWithin(0, before * dim, held * dim);
    numbers.copyWithin(0, before, held);
    degrees.copyWithin(0, before, held).fill(0, held - before);
    held -= before;
    before = held;
  };
  for (const { document, vector } of vectorsOf(db)) {
    vectors.set(place(float32From(vector)), held * dim);
    numbers[held] = document;
    held++;
    if (held - before === block) await link();
  }
  if (held > before) await link();
}

function addEdges(
  { target, edges }: DocumentLinks,
  { earlier, later, cosines }: LikePairs,
  numbers: Float64Array,
  trunkOf: (document: number) => number,
): void {
  const rows = target.rows('document_edges');
  for (let i = 0; i < later.length; i++) {
    const [a = 0, b = 0] = [numbers[earlier[i] ?? 0], numbers[later[i] ?? 0]];
    const cosine = cosines[i] ?? 0;
    edges.between([trunkOf(a), trunkOf(b)], 'semantic', cosine);
    rows.add(a, b, 'semantic', cosine);
    rows.add(b, a, 'semantic', cosine);
  }
}

function* vectorsOf(db: Sqlite.Database): Generator<VectorRow, undefined, undefined> {
  const page = db.prepare<[number, number], VectorRow>(
    'SELECT document, vector FROM document_vectors WHERE document > ? ORDER BY document LIMIT ?',
  );
  // whole pages: rows may be inserted between them
  for (let after = -1, rows: VectorRow[]; ; after = rows.at(-1)?.document ?? after) {
    rows = page.all(after, PAGE);
    if (rows.length === 0) return;
    yield* rows;
  }
}

type Place = (vector: Float32Array) => Float32Array;

const asIs: Place = (vector) => vector;

function whitened(db: Sqlite.Database, samples: readonly Float32Array[], dim: number): Place {
  const covariance = new Covariance(dim);
  for (const sample of samples) covariance.add(sample);
  const whitening = covariance.count === 0 ? undefined : covariance.whitening();
  if (whitening === undefined) return asIs;
  const sums = new Float64Array(dim);
  let count = 0;
  for (const { vector } of vectorsOf(db)) {
    const values = float32From(vector);
    for (let i = 0; i < dim; i++) sums[i] = (sums[i] ?? 0) + (values[i] ?? 0);
    count++;
  }
  const centre = whitening.apply(sums.map((sum) => sum / count));
  return (vector) => whitening.apply(vector).map((x, i) => x - (centre[i] ?? 0));
}
