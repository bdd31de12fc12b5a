import type Sqlite from 'better-sqlite3';
import type { EdgeRows, PatchEnd } from './edgeRows.ts';

/** Vertices of one edge at most; a record of more views has several, each beginning with the last view of the one before. */
const MOST_VIEWS = 1024;

interface ViewRow {
  readonly document: number;
  readonly node_id: number;
  readonly first_patch: number;
  readonly patches: number;
  readonly record: string;
}

/**
 * The `same_source` edges between documents that are views of one record of a split, in the order of the records' names
 * (their bytes), then of the documents: from the last patch of each view to the first of the next one that has any, with
 * their leaves; then one edge over the trunks of all views. Records with a single view have none.
 *
 * @param splitOf the split that a document belongs to, as a number; all are of one by default
 */
export function addSameSource(
  db: Sqlite.Database,
  nodes: number,
  edges: EdgeRows,
  splitOf: (document: number) => number = () => 0,
): void {
  const views = db.prepare<[], ViewRow>(
    `SELECT document, node_id, first_patch, patches, record FROM documents
     WHERE record IS NOT NULL ORDER BY record, document`,
  );
  const trunkOf = db.prepare<[number], number>('SELECT node_id FROM documents WHERE document = ?').pluck();
  let record: string | undefined;
  let split = 0;
  let trunks: number[] = [];
  let last: PatchEnd | undefined;
  const close = (): void => {
    if (trunks.length > 1) edges.between(trunks, 'same_source');
    trunks = trunks.slice(-1);
  };
  for (const view of views.iterate()) {
    const own = splitOf(view.document);
    if (view.record !== record || own !== split) {
      close();
      record = view.record;
      split = own;
      trunks = [];
      last = undefined;
    }
    if (trunks.length === MOST_VIEWS) close();
    trunks.push(view.node_id);
    if (view.patches === 0) continue;
    // behind a trunk come its first branch and that one's first leaf; before the next trunk, the last leaf
    if (last !== undefined)
      edges.betweenPatches(last, { patch: view.first_patch, node: view.node_id + 2 }, 'same_source');
    const end = trunkOf.get(view.document + 1) ?? nodes;
    last = { patch: view.first_patch + view.patches - 1, node: end - 1 };
  }
  close();
}
