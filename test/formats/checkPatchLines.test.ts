import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkPatchLines } from '../../src/formats/checkPatchLines.ts';
import { temporaryFolder } from '../sinks/flow.ts';

const line = {
  id: 'a',
  uri: 'a.txt',
  part: 0,
  complete: true,
  num_patches: 2,
  total_bytes: 5,
  embed_dim: 1,
  patch_lengths: [2, 3],
  prominence: [1, 2],
  patch_entropies: [0, 1],
  coherence: [1, 4],
  text: 'hallo',
};

async function complaints(text: string | Uint8Array): Promise<string[]> {
  const file = path.join(await temporaryFolder(), 'x.jsonl');
  await writeFile(file, text);
  const found: string[] = [];
  await checkPatchLines(file, { lines: 1, documents: 1, patches: 2, bytes: 5 }, (what) => found.push(what));
  return found;
}

describe('check of patches as JSON lines', () => {
  it('finds nothing wrong with text, base64, and embeddings in either form', async () => {
    const { text: _, ...rest } = line;
    const binary = { ...rest, base64: Buffer.from('hallo').toString('base64') };
    for (const value of [line, binary, { ...line, embeddings: [[1], [2]] }, { ...line, embeddings: 'AAAAAAAAAAA=' }])
      expect(await complaints(`${JSON.stringify(value)}\n`)).toEqual([]);
  });

  it.each<[string, object]>([
    ['no id', { id: 1 }],
    ['no uri', { uri: undefined }],
    ['no coherence of all patches', { coherence: [1] }],
    ['no prominence of all patches', { prominence: [1, null] }],
    ['prominence[1] = -2', { prominence: [1, -2] }],
    ['patch_lengths[0] = 0', { patch_lengths: [0, 5] }],
    ['patch lengths that add up to 4, and content of 5 bytes', { patch_lengths: [2, 2] }],
    ['total_bytes that are not those of its content', { text: 'hal', patch_lengths: [1, 2] }],
    ['neither text nor base64', { text: undefined }],
    ['neither text nor base64', { base64: 'aGFsbG8=' }],
    ['embeddings that are not 2 of 1 numbers', { embeddings: [[1], [2, 3]] }],
    ['embeddings that are not 2 of 1 numbers', { embeddings: 'AAAA' }],
  ])('finds %s', async (what, change) => {
    expect(await complaints(`${JSON.stringify({ ...line, ...change })}\n`)).toContain(`has ${what} in line 1`);
  });

  it('finds what is no object, and other counts than were committed', async () => {
    expect(await complaints('[]\nnull\n{')).toEqual([
      'has no object in line 1',
      'has no object in line 2',
      'has no object in line 3',
      'holds 3 lines, and was committed with 1',
      'holds 0 documents, and was committed with 1',
      'holds 0 patches, and was committed with 2',
      'holds 0 bytes, and was committed with 5',
    ]);
  });

  it('tells that it is no UTF-8', async () => {
    await expect(complaints(Uint8Array.of(255, 10))).rejects.toMatchObject({ code: 'UNREADABLE' });
  });
});
