import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkShardIndex } from '../../src/formats/checkShardIndex.ts';
import { temporaryFolder } from '../sinks/flow.ts';

async function complaints(text: string): Promise<string[]> {
  const file = path.join(await temporaryFolder(), 'index.json');
  await writeFile(file, text);
  const found: string[] = [];
  await checkShardIndex(file, { shards: 2, samples: 5 }, (what) => found.push(what));
  return found;
}

describe('check of a list of shards', () => {
  it('takes either form', async () => {
    expect(await complaints('{"a.tar":3,"b.tar":2}')).toEqual([]);
    expect(await complaints('{"shardlist":[{"url":"a.tar","nsamples":3},{"url":"b.tar","nsamples":2}]}')).toEqual([]);
  });

  it('finds other numbers than were counted', async () => {
    expect(await complaints('{"a.tar":3}')).toEqual([
      'lists 1 shards, and should list 2',
      'lists 3 samples, and should list 5',
    ]);
  });

  it.each(['', '[', 'null', '7', '{"a.tar":"3"}', '{"shardlist":[null]}', '{"shardlist":[{"url":"a"}]}'])(
    'finds that %j is none',
    async (text) => {
      expect(await complaints(text)).toEqual(['is no list of shards']);
    },
  );
});
