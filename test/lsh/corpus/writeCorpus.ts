import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { littleEndianBytes } from '../../../src/formats/littleEndian.ts';
import { type CorpusPart, type CorpusSettings, ROW_BYTES, writeRow } from '../../../src/lsh/corpus/parts.ts';
import { shortened } from '../../../src/lsh/shortSignature.ts';
import { signatureOf } from '../../../src/lsh/signature.ts';

export interface TestDocument {
  readonly id: string;
  readonly text: Uint8Array;
}

export const SETTINGS: CorpusSettings = {
  shingle: { of: 'bytes', length: 3 },
  components: 20,
  banding: { bands: 10, rows: 2 },
  threshold: 0.6,
  near: true,
  verify: 'signature',
};

export function shortSignature(text: Uint8Array, { shingle, components }: CorpusSettings): Uint16Array {
  const short = new Uint16Array(components);
  const signature = signatureOf(text, { shingle, components });
  if (signature !== undefined) shortened(signature, short);
  return short;
}

/** Writes the files of parts as they are described, one document after the other; keys are left out. */
export function writeCorpus(
  parts: readonly (readonly TestDocument[])[],
  settings: CorpusSettings,
  newFile: () => string,
  firstOfAll = 0,
): CorpusPart[] {
  let first = firstOfAll;
  return parts.map((documents) => {
    const file = newFile();
    const rows = new DataView(new ArrayBuffer(ROW_BYTES * documents.length));
    let [idEnd, textEnd] = [0, 0];
    for (const [i, { id, text }] of documents.entries()) {
      idEnd += Buffer.byteLength(id);
      textEnd += text.length;
      const signed = text.length >= settings.shingle.length;
      const hash = signed ? createHash('sha256').update(text).digest().subarray(0, 16) : new Uint8Array(16);
      writeRow(rows, ROW_BYTES * i, { hash, idEnd, textEnd, signed });
    }
    // a part without documents has no files
    if (documents.length > 0) {
      writeFileSync(`${file}.documents`, new Uint8Array(rows.buffer));
      writeFileSync(`${file}.ids`, documents.map(({ id }) => id).join(''));
      if (settings.near) {
        const signatures = documents.map(({ text }) => littleEndianBytes(shortSignature(text, settings)));
        writeFileSync(`${file}.signatures`, Buffer.concat(signatures));
      }
      if (settings.verify === 'jaccard')
        writeFileSync(`${file}.texts`, Buffer.concat(documents.map(({ text }) => text)));
    }
    const part: CorpusPart = { file, first, documents: documents.length, blocks: [] };
    first += documents.length;
    return part;
  });
}
