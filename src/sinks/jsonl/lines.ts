import { isUtf8 } from 'node:buffer';
import { float32From, int32From } from '../../formats/littleEndian.ts';
import { fieldTensor, partColumn } from '../../quantization/fieldTensors.ts';
import type { Document } from '../../records.ts';
import { headMetaJson, metaJson } from '../metaJson.ts';
import { joined } from '../patchColumns.ts';
import { type PatchDocument, patchFacts } from '../patchDocument.ts';
import { isLeftOut, type QuantizedColumn, quantizationMetadata } from '../quantizedColumns.ts';

/** How embeddings are written: not at all, as a list of numbers for each patch, or as base64 of little-endian f32. */
export const embeddingForms = ['none', 'list', 'base64'] as const;

export type EmbeddingForm = (typeof embeddingForms)[number];

/** Numbers of embeddings that are text at once. */
const NUMBERS_AT_ONCE = 1 << 16;

/** A document as a line, without its end. */
export function documentLine({ id, record, source, modality, meta, bytes }: Document): Uint8Array[] {
  const { uri, position } = source;
  const head = JSON.stringify({ id, record, uri, position, modality });
  return [Buffer.from(`${head.slice(0, -1)},"meta":${metaJson(meta)},${contentOf(bytes)}}`)];
}

/** A document that has been cut into patches, or a part of one, as a line in pieces, so that it is never one string. */
export function* patchLine(document: PatchDocument, form: EmbeddingForm): Generator<Uint8Array, void, undefined> {
  const { document: head, columns, modality } = document;
  const { id, record, source } = head;
  const { uri, position } = source;
  const first = JSON.stringify({ id, record, uri, position, modality });
  const facts = JSON.stringify(patchFacts(document));
  yield Buffer.from(`${first.slice(0, -1)},"meta":${headMetaJson(head)},${facts.slice(1, -1)}`);
  yield list('patch_lengths', int32From(joined(columns.lengths)));
  for (const field of ['prominence', 'entropy'] as const) {
    if (!isLeftOut(columns.quantized, field)) yield list(fieldTensor(field), float32From(joined(columns[field])));
  }
  yield list('coherence', float32From(joined(columns.coherence)));
  if (!isLeftOut(columns.quantized, 'embeddings')) {
    if (form === 'list') yield* embeddingLists(document);
    if (form === 'base64') yield Buffer.from(`,"embeddings":"${base64(joined(columns.embeddings))}"`);
  }
  yield* quantizedParts(columns.quantized);
  yield Buffer.from(`,${contentOf(joined(columns.bytes))}}`);
}

function* quantizedParts(quantized: readonly QuantizedColumn[]): Generator<Uint8Array, void, undefined> {
  for (const { field, quantizer, encoded } of quantized) {
    for (const [i, list] of encoded.entries()) {
      const name = partColumn(fieldTensor(field), quantizer.parts[i]?.name ?? '');
      yield Buffer.from(`,"${name}":"${base64(joined(list))}"`);
    }
  }
  for (const [key, text] of Object.entries(quantizationMetadata(quantized))) yield Buffer.from(`,"${key}":${text}`);
}

function list(name: string, values: Int32Array | Float32Array): Uint8Array {
  return Buffer.from(`,"${name}":${JSON.stringify(Array.from(values))}`);
}

function* embeddingLists({ columns, dim, patches }: PatchDocument): Generator<Uint8Array, void, undefined> {
  yield Buffer.from(',"embeddings":[');
  const values = float32From(joined(columns.embeddings));
  const step = Math.max(1, Math.floor(NUMBERS_AT_ONCE / Math.max(1, dim)));
  for (let from = 0; from < patches; from += step) {
    const rows = Array.from({ length: Math.min(step, patches - from) }, (_, i) =>
      Array.from(values.subarray((from + i) * dim, (from + i + 1) * dim)),
    );
    yield Buffer.from(`${from === 0 ? '' : ','}${JSON.stringify(rows).slice(1, -1)}`);
  }
  yield Buffer.from(']');
}

function contentOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) return `"base64":"${base64(bytes)}"`;
  return `"text":${JSON.stringify(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
