import type Sqlite from 'better-sqlite3';
import { patchSemantics } from '../lsh/semantic/patches.ts';
import { type SemanticSettings, storedSettings } from '../lsh/semantic/settings.ts';
import type { Complain } from './checkNumbers.ts';
import { EdgeRows, type PatchEnd } from './edgeRows.ts';
import { float32From, int32From, littleEndianBytes } from './littleEndian.ts';
import { RowComparer } from './rowComparer.ts';
import { readSafetensorsHeader } from './safetensors/read.ts';
import { readTensor } from './safetensors/readTensor.ts';
import { addSameSource } from './sameSource.ts';
import type { SphereEdgeRow } from './sidecarRows.ts';

/** What the trees of a sidecar have. */
export interface TreeCounts {
  readonly nodes: number;
  readonly hyperedges: number;
  readonly sphereEdges: number;
}

/**
 * Checks the edges of a sidecar behind those of its trees: `same_source` edges are those that the records of its documents
 * ask for; `semantic` edges those that are found in the embeddings beside it. Where there are none, that they keep the
 * threshold, the bound on neighbours and the order.
 */
export async function checkLinks(
  db: Sqlite.Database,
  trees: TreeCounts,
  patchesFile: string | undefined,
  complain: Complain,
): Promise<void> {
  const comparer = new RowComparer(db, complain);
  comparer.count('hyperedges', trees.hyperedges);
  comparer.count('sphere_edges', trees.sphereEdges);
  const edges = new EdgeRows(comparer, trees.hyperedges, trees.sphereEdges);
  // files of before there were records have no such column
  const columns = db.prepare<[], string>("SELECT name FROM pragma_table_info('documents')").pluck().all();
  if (columns.includes('record')) addSameSource(db, trees.nodes, edges);
  const stored = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'semantic'").pluck().get();
  if (stored !== undefined) {
    const settings = storedSettings(stored);
    const header = patchesFile === undefined ? undefined : await readSafetensorsHeader(patchesFile);
    // quantized ones have other neighbours than those that were linked
    const hasEmbeddings = header?.tensors.has('embeddings') === true;
    if (patchesFile === undefined || !hasEmbeddings) checkRules(db, settings, edges, comparer);
    else await compareLinks(db, settings, patchesFile, edges, comparer);
  }
  comparer.end(['hyperedges', 'sphere_edges', 'document_edges']);
}

/** Finds the edges once more. */
async function compareLinks(
  db: Sqlite.Database,
  settings: SemanticSettings,
  patchesFile: string,
  edges: EdgeRows,
  comparer: RowComparer,
): Promise<void> {
  const header = await readSafetensorsHeader(patchesFile);
  const embeddings = float32From(await readTensor(patchesFile, header, 'embeddings'));
  const lengths = int32From(await readTensor(patchesFile, header, 'patch_lengths'));
  const documents = db.prepare<[], number>('SELECT patches FROM documents ORDER BY document').pluck().all();
  const dim = lengths.length === 0 ? 0 : embeddings.length / lengths.length;
  const { edges: pairs, vectors, samples } = patchSemantics({ settings, dim, embeddings, lengths, documents });
  for (const { document, vector } of vectors ?? [])
    comparer.rows('document_vectors').add(document, littleEndianBytes(vector));
  for (const { patch, vector } of samples ?? []) comparer.rows('patch_samples').add(patch, littleEndianBytes(vector));
  comparer.end(['document_vectors', 'patch_samples']);
  const endOf = ends(db);
  for (let i = 0; i < pairs.later.length && !comparer.isFull; i++) {
    edges.betweenPatches(endOf(pairs.earlier[i] ?? 0), endOf(pairs.later[i] ?? 0), 'semantic', pairs.cosines[i]);
  }
}

/** Takes the edges that are there, and sees to it that they are edges as they should be. */
function checkRules(
  db: Sqlite.Database,
  { threshold, neighbours }: SemanticSettings,
  edges: EdgeRows,
  comparer: RowComparer,
): void {
  const endOf = ends(db);
  const degrees = new Map<number, number>();
  let before: SphereEdgeRow | undefined;
  const rows = db.prepare<[], SphereEdgeRow>("SELECT * FROM sphere_edges WHERE label = 'semantic' ORDER BY id");
  for (const row of rows.iterate()) {
    if (comparer.isFull) return;
    const { src_patch: src, dst_patch: dst, weight } = row;
    const follows =
      before === undefined || dst > before.dst_patch || (dst === before.dst_patch && src > before.src_patch);
    if (!(src < dst && follows)) comparer.bad(`has the semantic edge ${src} ${dst} out of order`);
    if (!(weight >= Math.fround(threshold) && weight <= 1))
      comparer.bad(`links patches ${src} and ${dst} by ${weight}, below its threshold of ${threshold}`);
    for (const patch of [src, dst]) {
      const degree = (degrees.get(patch) ?? 0) + 1;
      degrees.set(patch, degree);
      if (degree === neighbours + 1) comparer.bad(`links patch ${patch} to more than ${neighbours} others`);
    }
    edges.betweenPatches(endOf(src), endOf(dst), 'semantic', weight);
    before = row;
  }
}

function ends(db: Sqlite.Database): (patch: number) => PatchEnd {
  const leaf = db.prepare<[number], number>('SELECT node_id FROM sphere_patches WHERE patch_idx = ?').pluck();
  return (patch) => ({ patch, node: leaf.get(patch) ?? 0 });
}
