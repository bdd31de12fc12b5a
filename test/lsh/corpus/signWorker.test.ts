import { createHash } from 'node:crypto';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SignDocumentsTask, SignedDocuments } from '../../../src/lsh/corpus/signWorker.ts';
import { packDocuments } from '../../../src/lsh/documentBatch.ts';
import { shortened } from '../../../src/lsh/shortSignature.ts';
import { Signer } from '../../../src/lsh/signer.ts';
import { Pool } from '../../../src/run/pool.ts';
import { relatedTexts } from '../texts.ts';

const module = path.join(import.meta.dirname, '../../../src/lsh/corpus/signWorker.ts');
const texts = [
  ...relatedTexts(1, 500, 0.1),
  Buffer.from('abc'),
  new Uint8Array(0),
  Buffer.from('equal'),
  Buffer.from('equal'),
];

/** One thread signs all batches, so that a signer of other options would be at hand. */
async function signedInTurn(several: readonly SignDocumentsTask['settings'][]): Promise<SignedDocuments[]> {
  const pool = new Pool({ threads: 1 });
  onTestFinished(() => pool.close());
  const results: SignedDocuments[] = [];
  for (const settings of several) {
    const { bytes, offsets } = packDocuments(texts);
    results.push(await pool.run(module, { bytes, offsets, settings }, [bytes.buffer, offsets.buffer]));
  }
  return results;
}

const settings: SignDocumentsTask['settings'] = {
  shingle: { of: 'bytes', length: 5 },
  components: 100,
  banding: { bands: 10, rows: 5 },
  near: true,
};

describe('signWorker', () => {
  it('signs and hashes batches, with the settings of each', async () => {
    const several = [
      settings,
      { ...settings, components: 50 },
      { ...settings, banding: { bands: 5, rows: 4 } },
      settings,
    ];
    const results = await signedInTurn(several);
    for (const [turn, { shingle, components, banding }] of several.entries()) {
      const { documents, signed, signatures, keys } = results[turn]!;
      const expected = new Signer({ shingle, components, banding }).sign(packDocuments(texts));
      const short = new Uint16Array(texts.length * components);
      shortened(expected.signatures, short);
      expect({ documents, signed, signatures, keys }).toEqual({
        documents: 6,
        signed: Uint8Array.of(1, 1, 0, 0, 1, 1),
        signatures: short,
        keys: expected.keys,
      });
    }
  });

  it('keeps the beginning of each SHA-256, of documents with a shingle', async () => {
    const words = { of: 'words', length: 2 } as const;
    for (const { signed, hashes } of await signedInTurn([settings, { ...settings, shingle: words }])) {
      for (const [i, text] of texts.entries()) {
        const whole = createHash('sha256').update(text).digest();
        const expected = signed[i] === 1 ? whole.subarray(0, 16) : Buffer.alloc(16);
        expect(Buffer.compare(hashes.subarray(16 * i, 16 * (i + 1)), expected)).toBe(0);
      }
    }
  });

  it('gives no signatures where bytes alone are compared, and hashes of all that are not empty', async () => {
    const [exact] = await signedInTurn([{ ...settings, near: false }]);
    expect([exact?.signatures.length, exact?.keys.length]).toEqual([0, 0]);
    expect(exact?.signed).toEqual(Uint8Array.from(texts, ({ length }) => Number(length > 0)));
    for (const [i, text] of texts.entries()) {
      const expected = text.length > 0 ? createHash('sha256').update(text).digest().subarray(0, 16) : Buffer.alloc(16);
      expect(Buffer.compare(exact?.hashes.subarray(16 * i, 16 * (i + 1)) ?? Buffer.alloc(0), expected)).toBe(0);
    }
  });
});
