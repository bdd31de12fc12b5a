import type { Document, DocumentHead, Meta, MetaValue, Segment } from '../../records.ts';
import type { SegmentTable, View } from './view.ts';

/** The document that a view is. */
function headOf<M extends Meta>(document: Document<M>, view: View, byteLength: number): DocumentHead<M> {
  const { id, record, source, meta } = document;
  const within = view.member === undefined ? undefined : `!/${view.member}`;
  const name = view.record === undefined ? record : `${record ?? id}${view.record}`;
  return {
    id: `${id}${view.suffix}`,
    ...(name === undefined ? {} : { record: name }),
    source:
      within === undefined
        ? source
        : { ...source, uri: `${source.uri}${within}`, position: { ...source.position, member: view.member ?? '' } },
    byteLength,
    // the facts of a view stand beside those of its document
    meta: view.meta === undefined ? meta : ({ ...meta, ...view.meta } as M),
  };
}

function metaOf(table: SegmentTable, index: number): Meta {
  const { meta, columns, metas, metaOf } = table;
  const own = metas?.[metaOf?.[index] ?? index];
  if (columns === undefined) return own === undefined ? meta : { ...meta, ...own };
  const all: Record<string, MetaValue> = { ...meta, ...own };
  for (const [name, values] of Object.entries(columns)) {
    const value = values[index] ?? Number.NaN;
    if (!Number.isNaN(value)) all[name] = value;
  }
  return all;
}

/** The segments of a view, made one by one as they are asked for. */
export function* segmentsOf<M extends Meta>(document: Document<M>, view: View): Generator<Segment<M>> {
  const { modality, mediaType, derived, segments: table } = view;
  const content = view.content ?? document.bytes;
  const byteLength = view.contentBytes ?? content.length;
  const bytes = derived === undefined ? content : (view.bytes ?? new Uint8Array(0));
  const head = headOf(document, view, byteLength);
  const { ends, origins, labels, labelOf } = table;
  const count = ends.length;
  let start = 0;
  for (let index = 0; index < count; index++) {
    const end = ends[index] ?? start;
    const from = origins?.[2 * index] ?? 0;
    const to = origins?.[2 * index + 1] ?? byteLength;
    yield {
      document: head,
      index,
      last: index === count - 1,
      bytes: bytes.subarray(start, end),
      label: labels[labelOf?.[index] ?? 0] ?? modality,
      modality,
      mediaType,
      origin: derived === undefined ? { start, end } : { start: from, end: to, derived },
      meta: metaOf(table, index),
    };
    start = end;
  }
}
