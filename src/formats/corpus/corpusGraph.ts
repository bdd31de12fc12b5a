import type Sqlite from 'better-sqlite3';
import { canonicalJson } from '../../json.ts';
import { type SemanticSettings, storedSettings } from '../../lsh/semantic/settings.ts';
import { decodeEdge } from '../hypergraphSchema.ts';
import { addSameSource } from '../sameSource.ts';
import { documentIndex, linkIndexes, recordIndex } from '../sidecarTables.ts';
import type { CorpusTarget } from './corpusTarget.ts';
import { CorpusWriter } from './corpusWriter.ts';
import { addDocumentLinks } from './documentLinks.ts';
import { SidecarMerge } from './mergeSidecars.ts';
import { type CorpusPart, SidecarFile } from './sidecarFile.ts';

/** How many rows of each kind a corpus has. */
export type CorpusCounts = {
  readonly documents: number;
  readonly segments: number;
  readonly patches: number;
  readonly bytes: number;
  readonly nodes: number;
  readonly hyperedges: number;
  readonly sphere_edges: number;
};

export interface CorpusRequest {
  /** In the order of the splits and their shards. */
  readonly parts: readonly CorpusPart[];
  /** Called now and then, and awaited; throws where nobody waits for the result any more. */
  readonly pause: () => void | Promise<void>;
  /** See `addDocumentLinks`. */
  readonly block?: number | undefined;
}

/** Entries of the table `meta`. */
export function corpusMeta(settings: SemanticSettings | undefined): Record<string, string> {
  return { schema_version: '3', scope: 'corpus', ...(settings && { semantic: canonicalJson({ ...settings }) }) };
}

/**
 * Fills an empty database with the graph of a whole run: the tables of its sidecars put together, with numbers that count
 * through the run. Equal sidecars give an equal file. Besides SQLite's cache of 64 MiB it holds one document and some rows, and
 * where documents are linked what `addDocumentLinks` says.
 *
 * @throws SluiceError `BAD_SIDECAR`, OutputError `SQLITE_...` or of the disk
 */
export async function buildCorpus(db: Sqlite.Database, request: CorpusRequest): Promise<CorpusCounts> {
  const settings = await settingsOf(request.parts);
  const writer = new CorpusWriter(db, corpusMeta(settings));
  const counts = await addCorpus(db, writer, settings, request);
  writer.finish();
  return counts;
}

/** Derives all rows of a corpus from its sidecars, in the order of the file. `db` is where the rows go, or are. */
export async function addCorpus(
  db: Sqlite.Database,
  target: CorpusTarget,
  settings: SemanticSettings | undefined,
  { parts, pause, block }: CorpusRequest,
): Promise<CorpusCounts> {
  const linksDocuments = settings !== undefined && settings.documents !== null;
  target.create('shards');
  if (linksDocuments) target.create('document_vectors');
  const merge = new SidecarMerge(target, linksDocuments);
  for (let i = 0; i < parts.length; i++) {
    await pause();
    await merge.add(parts, i);
  }
  merge.finish();
  const { counts, edges, splitStarts } = merge;
  const nextEdges = edges.sphereEdges;
  target.index(documentIndex);
  if (merge.hasRecords && target.isSound) {
    target.index(recordIndex);
    target.reading(() => addSameSource(db, counts.nodes, edges, (document) => splitOf(splitStarts, document)));
    target.flush();
  }
  for (let i = 0; settings !== undefined && target.isSound && i < parts.length; i++) {
    await pause();
    await addPatchLinks(target, parts[i], merge, i);
  }
  if (edges.sphereEdges > nextEdges) target.index(linkIndexes);
  if (linksDocuments && target.isSound) {
    target.create('document_edges');
    const { samples } = merge;
    await addDocumentLinks({
      ...{ db, target, edges, settings, pause, block },
      samples: samples.values,
      documents: counts.documents,
    });
  }
  target.flush();
  return { ...counts, hyperedges: edges.hyperedges, sphere_edges: edges.sphereEdges };
}

/** What the sidecars of a run were made with: the same for all. */
export async function settingsOf(parts: readonly CorpusPart[]): Promise<SemanticSettings | undefined> {
  const [first] = parts;
  if (first === undefined) return undefined;
  const sidecar = await SidecarFile.open(first.file);
  try {
    const stored = sidecar.meta('semantic');
    return stored === undefined ? undefined : storedSettings(stored);
  } finally {
    sidecar.close();
  }
}

/** The `semantic` edges within one shard, which are the last ones of its sidecar. */
async function addPatchLinks(
  target: CorpusTarget,
  part: CorpusPart | undefined,
  { edges, shifts }: SidecarMerge,
  number: number,
): Promise<void> {
  if (part === undefined) return;
  const { node, patch } = shifts[number] ?? { node: 0, patch: 0 };
  const sidecar = await SidecarFile.open(part.file);
  try {
    const count = sidecar.edges('semantic');
    if (count === 0) return;
    const end = sidecar.end('sphere_edges');
    target.take(part.file);
    target.copy({ table: 'sphere_edges', from: end - count, end, key: edges.sphereEdges - (end - count), patch });
    edges.sphereEdges += count;
    const last = sidecar.db.prepare<[number], Buffer>('SELECT data FROM hyperedges WHERE id >= ? ORDER BY id').pluck();
    for (const data of last.iterate(sidecar.end('hyperedges') - count)) {
      const { vertices, label, weight } = decodeEdge(data);
      edges.between(
        vertices.map((vertex) => vertex + node),
        label,
        weight,
      );
    }
    target.flush();
  } finally {
    sidecar.close();
  }
}

/** The number of the last split that begins at or before a document. */
function splitOf(starts: readonly number[], document: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= document) low = middle + 1;
    else high = middle;
  }
  return low;
}
