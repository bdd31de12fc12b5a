import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, onTestFinished } from 'vitest';
import { tarOf, temporaryFolder } from '../sources/helpers.ts';
import { startHub } from '../support/hub/hub.ts';
import { sluice } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

/** The smallest PNG there is, and some bytes that tell one from another. */
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';
const png = (n: number): Buffer => Buffer.concat([Buffer.from(pixel, 'base64'), Buffer.from(`image ${n}`)]);

const ROWS = 30;

/** Of three rows one points into an archive, one to a file of the dataset, and one to a file that is nowhere. */
const rows = Array.from({ length: ROWS }, (_, n) => ({
  id: `row-${n}`,
  text: `What is on picture ${n}? It shows the number ${n * 7919}, and nothing else that one could tell.`,
  image: n % 3 === 0 ? `images/${n % 6}.png` : n % 3 === 1 ? `shared/${n % 2}.png` : `images/gone-${n}.png`,
}));

async function start() {
  const archive = async (numbers: readonly number[]) =>
    gzipSync(await tarOf(numbers.map((n) => ({ name: `${n}.png`, content: png(n) }))));
  const columnData = (['id', 'text', 'image'] as const).map((name) => ({
    name,
    data: rows.map((row) => row[name]),
    type: 'STRING' as const,
  }));
  const hub = await startHub({
    repositories: {
      'owner/pictures': {
        files: {
          'train.jsonl': rows.map((row) => JSON.stringify(row)).join('\n'),
          'shared/0.png': png(100),
          'data/shared/1.png': png(101),
        },
        // The Hub's copy has the tables alone.
        branches: {
          'refs/convert/parquet': {
            'default/train/0000.parquet': new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 8 })),
          },
        },
      },
      'owner/raw': { files: { 'images_1.tar.gz': await archive([0]), 'images_2.tar.gz': await archive([3]) } },
    },
  });
  onTestFinished(() => hub.close());
  const home = temporaryFolder();
  const env = {
    HF_ENDPOINT: hub.url,
    HF_HOME: home,
    HF_TOKEN: '',
    HF_HUB_CACHE: '',
    SLUICE_CACHE: join(home, 'sluice'),
  };
  return { hub, env };
}

const flags = [
  ...['--dataset', 'owner/pictures', '--id-column', 'id', '--split-bytes', '2KB', '--prefix', 'images/'],
  ...['--archives', 'hf://datasets/owner/raw/images_{1..2}.tar.gz'],
];

describe('the pipeline of a multimodal dataset', () => {
  it('makes documents of texts and of the images they point to, the same whatever is cached and however many work', async () => {
    const { hub, env } = await start();
    const folder = temporaryFolder();
    const run = (name: string, ...more: string[]) =>
      sluice(['run', 'multimodal', '--output', join(folder, name), ...flags, ...more], { env });
    const first = await run('first', '--workers', '2');
    expect(first.code, first.stderr).toBe(3);
    const manifest = JSON.parse(readFileSync(join(folder, 'first/manifest.json'), 'utf8'));
    expect(manifest.totals).toMatchObject({ documents: ROWS + 20, rejects: 10, attached: 20 });
    const asked = hub.log.filter(({ method, url }) => method === 'GET' && /resolve.*(png|images_)/.test(url));
    expect(asked.map(({ url }) => url.split('/').at(-1)).sort()).toEqual([
      '0.png',
      '1.png',
      'images_1.tar.gz',
      'images_2.tar.gz',
    ]);
    const verified = await sluice(['verify', join(folder, 'first')]);
    expect(verified.code, verified.stderr).toBe(0);

    const rejects = readFileSync(join(folder, 'first/rejects/00000.jsonl'), 'utf8').trim().split('\n');
    expect(JSON.parse(rejects[0] ?? '')).toMatchObject({
      stage: 'attach',
      code: 'MISSING_REFERENCE',
      position: { row: 2 },
      message: expect.stringMatching(
        /^'images\/gone-2\.png' \(column 'image'\): looked for gone-2\.png .* in 2 archives/,
      ),
    });

    hub.clear();
    const second = await run('second', '--workers', '1');
    expect(second.code, second.stderr).toBe(3);
    expect(await hashTree(join(folder, 'second'))).toEqual(await hashTree(join(folder, 'first')));
    // Tables are streamed again; archives and images are there already.
    expect(hub.log.filter(({ url }) => /png|images_/.test(url) && !/paths-info/.test(url))).toEqual([]);
  });

  it('writes which record a document is a view of, and where it lies, and nothing of this machine', async () => {
    const { env } = await start();
    const output = join(temporaryFolder(), 'out');
    const ran = await sluice(['run', 'multimodal', '--output', output, ...flags, '--workers', '1'], { env });
    expect(ran.code, ran.stderr).toBe(3);
    const database = new Database(join(output, 'shards/00000-000000.hypergraph.db'), { readonly: true });
    const documents = database.prepare('select doc_id, uri, modality, meta from documents').all() as {
      doc_id: string;
      uri: string;
      modality: string;
      meta: string;
    }[];
    const edges = database.prepare("select count(*) as n from sphere_edges where label = 'same_source'").get();
    database.close();
    expect(
      documents
        .slice(0, 4)
        .map(({ doc_id, uri, modality }) => [doc_id, uri.replace(/@[0-9a-f]{40}/, '@commit'), modality]),
    ).toEqual([
      ['row-0', 'default/train/0000.parquet', 'text'],
      ['row-0#image/0', 'hf://datasets/owner/raw/images_1.tar.gz!/0.png', 'image'],
      ['row-1', 'default/train/0000.parquet', 'text'],
      ['row-1#image/0', 'hf://datasets/owner/pictures@commit/data/shared/1.png', 'image'],
    ]);
    expect(JSON.parse(documents[1]?.meta ?? '')).toEqual({ column: 'image', index: 0, reference: 'images/0.png' });
    expect(edges).not.toEqual({ n: 0 });
    const home = env.HF_HOME;
    for (const file of ['plan.json', 'manifest.json', 'rejects/00000.jsonl', 'shards/00000-000000.hypergraph.db']) {
      expect(readFileSync(join(output, file)).includes(home), file).toBe(false);
    }
  });

  it('refuses a prefix without archives, and to go on with other archives', async () => {
    const { hub, env } = await start();
    const output = join(temporaryFolder(), 'out');
    const alone = await sluice(
      ['run', 'multimodal', '--dataset', 'owner/pictures', '--prefix', 'x/', '--output', output],
      { env },
    );
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('BAD_OPTION');
    const run = () => sluice(['run', 'multimodal', '--output', output, ...flags, '--limit', '2'], { env });
    const began = await run();
    expect(began.code, began.stderr).toBe(0);
    const raw = hub.repository('owner/raw');
    const archives = {
      'images_1.tar.gz': await raw.read('images_1.tar.gz'),
      'images_2.tar.gz': await raw.read('images_2.tar.gz'),
    };
    raw.put({ ...archives, 'README.md': 'more words' });
    const resumed = await run();
    expect(resumed.code, resumed.stderr).toBe(0);
    raw.put({ ...archives, 'images_1.tar.gz': gzipSync(await tarOf([{ name: '0.png', content: 'other' }])) });
    const other = await run();
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('OTHER_PLAN');
  });
});

describe('the pipeline of a mixed folder', () => {
  it('takes files of every kind apart, members of archives too, and what comes out verifies', async () => {
    const folder = temporaryFolder();
    const input = join(folder, 'in');
    for (const name of ['code', 'images', 'pages', 'sounds']) cpSync(join('samples', name), input, { recursive: true });
    writeFileSync(join(input, 'note.txt.gz'), gzipSync('A note, compressed.'));
    writeFileSync(join(input, 'cut.png'), readFileSync('samples/images/gradient.png').subarray(0, 2000));
    const output = join(folder, 'out');
    const ended = await sluice(['run', 'multimodal', '--input', input, '--output', output, '--patch-size', '8']);
    expect(ended.code, ended.stderr).toBe(3);
    const verified = await sluice(['verify', output]);
    expect(verified.code, verified.stderr).toBe(0);
    const { totals } = JSON.parse(readFileSync(join(output, 'manifest.json'), 'utf8'));
    expect(totals).toMatchObject({
      documents: 5,
      rejects: 1,
      image_segments: 24,
      image_bytes: 48 * 32 * 3,
      audio_bytes: 2 * 16_000 * 1.6,
    });
    expect(totals.code_bytes).toBe(readFileSync('samples/code/fibonacci.py').length);
    expect(totals.documents_read + (totals.views ?? 0)).toBe(totals.documents + totals.rejects);
    const reject = JSON.parse(readFileSync(join(output, 'rejects/00000.jsonl'), 'utf8'));
    expect(reject).toMatchObject({ stage: 'pretokenize', code: 'DAMAGED_FILE', uri: 'cut.png' });
  });

  it('is either a folder or a dataset', async () => {
    for (const flags of [[], ['--input', 'samples', '--dataset', 'owner/name']]) {
      const ended = await sluice(['run', 'multimodal', '--output', join(temporaryFolder(), 'out'), ...flags]);
      expect(ended.stderr).toContain('either an input or a dataset');
    }
  });
});
