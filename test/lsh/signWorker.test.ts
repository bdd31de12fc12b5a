import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bandKeys } from '../../src/lsh/bands.ts';
import { documentAt, packDocuments } from '../../src/lsh/documentBatch.ts';
import { signatureOf } from '../../src/lsh/signature.ts';
import { keysAt, type SignerOptions, signatureAt } from '../../src/lsh/signer.ts';
import type { SignResult, SignTask } from '../../src/lsh/signWorker.ts';
import { Pool } from '../../src/run/pool.ts';
import { relatedTexts } from './texts.ts';

const module = path.join(import.meta.dirname, '../../src/lsh/signWorker.ts');

describe('the worker', () => {
  it('signs batches with the options of each, and gives the documents back', async () => {
    const pool = new Pool({ threads: 1 });
    onTestFinished(() => pool.close());
    const banding = { bands: 10, rows: 5 };
    const several: readonly SignerOptions[] = [
      { banding },
      { banding, components: 50 },
      { banding, shingle: { of: 'words', length: 2 } },
      { banding },
    ];
    const texts = [...relatedTexts(1, 500, 0.1), Buffer.from('abc')];
    const tasks = several.map((options): SignTask => ({ ...packDocuments(texts), options }));
    const moved = tasks.flatMap(({ bytes, offsets }) => [bytes.buffer, offsets.buffer]);
    const results = await pool.run<readonly SignResult[]>(module, tasks, moved);
    expect(tasks.every(({ bytes }) => bytes.length === 0)).toBe(true);
    for (const [i, options] of several.entries()) {
      for (const [document, text] of texts.entries()) {
        const result = results[i]!;
        const signature = signatureOf(text, options);
        expect(signatureAt(result, document)).toEqual(signature);
        expect(keysAt(result, document)).toEqual(signature && bandKeys(signature, banding));
        expect(Buffer.compare(documentAt(result, document), text)).toBe(0);
      }
    }
  });
});
