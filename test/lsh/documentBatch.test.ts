import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { documentAt, packDocuments } from '../../src/lsh/documentBatch.ts';

describe('documents in one buffer', () => {
  it('are what they were; text is UTF-8', () => {
    const text = fc.string({ unit: 'binary' });
    const document = fc.oneof(text, fc.uint8Array(), fc.constantFrom('', 'ä', '漢字', '\ud800', 'a\udc00b'));
    fc.assert(
      fc.property(fc.array(document), (documents) => {
        const batch = packDocuments(documents);
        expect(batch.offsets).toHaveLength(documents.length + 1);
        for (const [i, one] of documents.entries()) {
          const bytes = typeof one === 'string' ? new TextEncoder().encode(one) : one;
          expect(Buffer.compare(documentAt(batch, i), bytes)).toBe(0);
        }
        expect(batch.bytes.length).toBe(batch.offsets.at(-1));
      }),
      { numRuns: 40 },
    );
  });

  it('may lie in the buffer of a batch before, if that is large enough', () => {
    const { buffer } = packDocuments(['a long document', new Uint8Array(500)]).bytes;
    const batch = packDocuments(['new', Buffer.from('ones')], buffer);
    expect(batch.bytes.buffer).toBe(buffer);
    expect(Buffer.from(batch.bytes).toString()).toBe('newones');
    expect(packDocuments([new Uint8Array(1000)], buffer).bytes).toEqual(new Uint8Array(1000));
    expect(Buffer.from(packDocuments(['漢'.repeat(200)], buffer).bytes).toString()).toBe('漢'.repeat(200));
  });

  it('are refused beyond 4 GiB before anything is allocated', () => {
    const large = new Uint8Array(2 ** 30);
    expect(() => packDocuments([large, large, large, large])).toThrow(
      expect.objectContaining({ code: 'BATCH_TOO_LARGE' }),
    );
  });
});
