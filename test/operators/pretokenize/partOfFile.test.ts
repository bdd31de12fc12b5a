import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { iterate } from '../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../src/operators/pretokenize.ts';
import { withRun } from '../../../src/run/context.ts';
import { files } from '../../../src/sources/index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-parts-'));
  const noise = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 89 + (i >> 3) * 31) & 255));
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(1036, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ] as const) {
    header.writeUInt16LE(value, at);
  }
  header.writeUInt32LE(16_000, 24);
  header.writeUInt32LE(32_000, 28);
  header.write('data', 36);
  header.writeUInt32LE(1000, 40);
  await writeFile(path.join(folder, 'sound.wav'), Buffer.concat([header, noise]));
  await writeFile(path.join(folder, 'unknown'), Buffer.concat([Buffer.from([0, 1, 2]), noise]));
  await writeFile(path.join(folder, 'words.txt'), 'a line of words\n'.repeat(60));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** How often each file gives which label, or which code of a reject. */
async function becomes(maxDocumentBytes: number, options: PretokenizeOptions = {}): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const add = (uri: string, what: string) => {
    found[uri] = `${found[uri] ?? ''} ${what}`.trim();
  };
  const source = files(folder, { maxDocumentBytes });
  const hints: (string | undefined)[] = [];
  const run = {
    reject: (_stage: string, error: { path?: string | undefined; code: string; hint?: string | undefined }) => {
      add(error.path ?? '', error.code);
      hints.push(error.hint);
    },
  };
  for await (const split of source.splits({ splitBytes: 1 << 20, reject: (error) => run.reject('plan', error) })) {
    const read = withRun(run, () => iterate(source.read({ ...split, id: '00000' }).pipe(pretokenize(options))));
    for await (const { document, label } of read) add(document.source.uri, label);
  }
  for (const hint of hints) expect(hint).toContain('maxDocumentBytes');
  return found;
}

describe('a file that is larger than the source gives in one document', () => {
  it('is decoded where it comes as a whole', async () => {
    expect(await becomes(2000)).toEqual({
      'sound.wav': 'audio_segment',
      unknown: 'unknown_binary',
      'words.txt': 'text',
    });
  });

  it('is refused part by part where parts mean nothing, and neither called damaged nor passed as bytes', async () => {
    expect(await becomes(600)).toEqual({
      'sound.wav': 'PART_OF_FILE PART_OF_FILE',
      unknown: 'unknown_binary unknown_binary',
      'words.txt': 'text text',
    });
  });

  it('passes as bytes where it is not decoded anyway', async () => {
    expect((await becomes(600, { audio: false }))['sound.wav']).toBe('audio unknown_binary');
  });
});
