import type { Position } from '../errors.ts';
import { goesOn } from '../formats/corpus/identity.ts';
import type { DocumentRow } from '../formats/sidecarRows.ts';
import type { GraphFiles, Slot } from './graphFiles.ts';
import type { DocumentsOptions, GraphDocument } from './types.ts';

/** Documents of a graph; those that sidecars divide are put together. */
export class Documents {
  readonly #files: GraphFiles;

  constructor(files: GraphFiles) {
    this.#files = files;
  }

  *all({
    modality,
    uri,
    record,
    from = 0,
    limit = Number.POSITIVE_INFINITY,
  }: DocumentsOptions): Generator<GraphDocument> {
    const filters = Object.entries({ modality, uri, record }).filter(([, value]) => value !== undefined);
    const conditions = filters.map(([column]) => `${column} = ? AND `).join('');
    let left = limit;
    for (const slot of this.#files.slots) {
      const after = from - slot.first.documents - 1;
      if (after >= slot.graph.sizes.documents) continue;
      const rows = slot.graph.reader.pages<DocumentRow>(
        `SELECT * FROM documents WHERE ${conditions}document > ? ORDER BY document LIMIT ?`,
        (row) => row.document,
        Math.max(-1, after),
        ...filters.map(([, value]) => value ?? ''),
      );
      for (const row of rows) {
        if (this.#goesOn(slot, row)) continue;
        if (left-- <= 0) return;
        yield this.#document(slot, row);
      }
    }
  }

  /** By its number, or the first with this id. */
  find(which: number | string): GraphDocument | undefined {
    if (typeof which === 'number') return this.#numbered(which);
    for (const slot of this.#files.slots) {
      const row = slot.graph.reader.get<DocumentRow>(
        'SELECT * FROM documents WHERE doc_id = ? ORDER BY document LIMIT 1',
        which,
      );
      if (row !== undefined) return this.#document(slot, row);
    }
    return undefined;
  }

  /** The document of a patch. */
  withPatch(patch: number): GraphDocument | undefined {
    return this.#with('patches', 'first_patch', patch);
  }

  /** The document of a node. */
  withNode(node: number): GraphDocument | undefined {
    return this.#with('nodes', 'node_id', node);
  }

  /** Those of the same split that are views of the same record, itself among them. */
  *ofRecord({ document, record }: GraphDocument): Generator<GraphDocument> {
    if (record === null) return;
    const split = this.splitOf(document);
    for (const slot of this.#files.slots) {
      if (slot.graph.split !== undefined && slot.graph.split !== split) continue;
      const rows = slot.graph.reader.pages<DocumentRow>(
        'SELECT * FROM documents WHERE record = ? AND document > ? ORDER BY document LIMIT ?',
        (row) => row.document,
        -1,
        record,
      );
      for (const row of rows) {
        if (this.#goesOn(slot, row)) continue;
        const view = this.#document(slot, row);
        if (slot.graph.split !== undefined || this.splitOf(view.document) === split) yield view;
      }
    }
  }

  /** Name of the split that a document comes from. */
  splitOf(document: number): string | undefined {
    const slot = this.#files.with('documents', document);
    if (slot === undefined) return undefined;
    return slot.graph.split ?? slot.graph.shardWith('first_document', document - slot.first.documents)?.split;
  }

  #numbered(number: number): GraphDocument | undefined {
    const slot = this.#files.with('documents', number);
    if (slot === undefined) return undefined;
    const row = slot.graph.document(number - slot.first.documents);
    return row && this.#document(slot, row);
  }

  #with(kind: 'patches' | 'nodes', column: 'first_patch' | 'node_id', number: number): GraphDocument | undefined {
    const slot = this.#files.with(kind, number);
    if (slot === undefined) return undefined;
    return this.#document(slot, slot.graph.documentWith(column, number - slot.first[kind]));
  }

  /** Whether the sidecar before begins it. */
  #goesOn(slot: Slot, row: DocumentRow): boolean {
    return row.document === 0 && row.part > 0 && this.#before(slot, row) !== undefined;
  }

  #before(slot: Slot, row: DocumentRow): { slot: Slot; row: DocumentRow } | undefined {
    const before = this.#files.slots[slot.index - 1];
    if (before === undefined || before.graph.split !== slot.graph.split) return undefined;
    const last = before.graph.document(before.graph.sizes.documents - 1);
    return last !== undefined && goesOn(last, row) ? { slot: before, row: last } : undefined;
  }

  /** The whole document that a row is a part of. */
  #document(slot: Slot, row: DocumentRow): GraphDocument {
    let begin = { slot, row };
    for (let one: typeof begin | undefined = begin; one !== undefined; ) {
      begin = one;
      one = one.row.document === 0 && one.row.part > 0 ? this.#before(one.slot, one.row) : undefined;
    }
    let last = begin;
    let { patches, bytes } = begin.row;
    for (let next = this.#after(last); next !== undefined; next = this.#after(last)) {
      last = next;
      patches += next.row.patches;
      bytes += next.row.bytes;
    }
    const { first } = begin.slot;
    const { doc_id, uri, record, modality, part, document_bytes, meta } = begin.row;
    return {
      document: begin.row.document + first.documents,
      id: doc_id,
      uri,
      record: record ?? null,
      node: begin.row.node_id + first.nodes,
      firstPatch: begin.row.first_patch + first.patches,
      patches,
      bytes,
      documentBytes: document_bytes,
      modality,
      part,
      complete: last.row.complete === 1,
      position: positionOf(begin.row),
      meta,
    };
  }

  #after({ slot, row }: { slot: Slot; row: DocumentRow }): { slot: Slot; row: DocumentRow } | undefined {
    if (row.complete === 1 || row.document !== slot.graph.sizes.documents - 1) return undefined;
    const next = this.#files.slots[slot.index + 1];
    if (next === undefined || next.graph.split !== slot.graph.split) return undefined;
    const first = next.graph.document(0);
    return goesOn(row, first) ? { slot: next, row: first } : undefined;
  }
}

function positionOf({ ordinal, byte, line, row, member, record_part: part }: DocumentRow): Position {
  return {
    ordinal,
    ...(byte !== null && { byte }),
    ...(line !== null && { line }),
    ...(row !== null && { row }),
    ...(member !== null && { member }),
    ...(part !== null && { part }),
  };
}
