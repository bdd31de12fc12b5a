import { readFileSync } from 'node:fs';
import { from } from 'rxjs';
import { iterate } from '../../src/flow/index.ts';
import { embed, patch, pretokenize } from '../../src/operators/index.ts';
import type { Document } from '../../src/records.ts';

/** Embeddings of the patches of some chapters of the novel among the samples, as the embedded model gives them. */
export async function novelEmbeddings(chapters: number): Promise<{ columns: number; rows: Float32Array }> {
  const documents = Array.from({ length: chapters }, (_, i): Document => {
    const uri = `samples/novel/chapter-0${i + 1}.txt`;
    const bytes = new Uint8Array(readFileSync(uri));
    return { id: uri, source: { split: '', uri, position: { ordinal: i } }, bytes, meta: {} };
  });
  const all: Float32Array[] = [];
  let columns = 0;
  for await (const patches of iterate(from(documents).pipe(pretokenize(), embed(), patch()))) {
    columns = patches.dim;
    all.push(patches.embeddings);
  }
  const rows = new Float32Array(all.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const some of all) {
    rows.set(some, end);
    end += some.length;
  }
  return { columns, rows };
}
