import type { Document, DocumentHead, Patches } from '../../src/records.ts';
import { OutputFolder } from '../../src/run/durable.ts';
import type { Sink } from '../../src/sinks/index.ts';

/** Writes values through a sink as one split of a run: hashed, synced, renamed. */
export async function writeThrough<T>(sink: Sink<T>, values: Iterable<T>, root: string): Promise<void> {
  const folder = new OutputFolder(root);
  await folder.prepare();
  const split = { id: '00000', bytes: 0, spec: null };
  const writer = await sink.open({ split, file: (path) => folder.file(path) });
  for (const value of values) await writer.write(value);
  await writer.finish();
}

/** Numbers in no order that a compressor would find. */
function noise(length: number, seed: number): Float32Array {
  let state = seed + 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Documents of one segment each, in patches of 5 bytes. */
export function patchesOf(documents: number, perDocument: number, dim: number): Patches[] {
  const bytes = Buffer.from('patch'.repeat(perDocument));
  const lengths = new Int32Array(perDocument).fill(5);
  return Array.from({ length: documents }, (_, ordinal): Patches => {
    const document: DocumentHead = {
      id: `document-${ordinal}`,
      source: { split: '00000', uri: `part-${ordinal >> 8}.jsonl`, position: { ordinal, line: ordinal + 1 } },
      byteLength: bytes.length,
      meta: { lang: 'en', n: ordinal },
    };
    const origin = { start: 0, end: bytes.length };
    const kinds = { label: 'text', modality: 'text', mediaType: 'text/plain' } as const;
    const segment = { document, index: 0, last: true, bytes, ...kinds, origin, meta: {} };
    const signal = noise(perDocument, ordinal).map(Math.abs);
    return {
      segment,
      offset: 0,
      bytes,
      last: true,
      lengths,
      embeddings: noise(perDocument * dim, ordinal + 7),
      dim,
      prominence: signal,
      entropy: signal,
      coherence: signal,
      entropies: new Float32Array(0),
      norms: new Float32Array(0),
    };
  });
}

export function documentsOf(count: number, bytes: (i: number) => Uint8Array): Document[] {
  return Array.from(
    { length: count },
    (_, i): Document => ({
      id: `document-${i}`,
      source: { split: '00000', uri: `part-${i >> 12}.jsonl`, position: { ordinal: i, byte: i * 2100, line: i + 1 } },
      bytes: bytes(i),
      meta: { lang: i % 3 === 0 ? 'de' : 'en', score: i / 7 },
    }),
  );
}
