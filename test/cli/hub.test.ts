import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../sources/helpers.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { sluice } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

const CARD = `---
configs:
- config_name: sample-10BT
  data_files:
  - split: train
    path: sample/10BT/*
---
`;

/** Rows as FineWeb-Edu has them, with a column that nobody asks for between the others; scores go round from 2 to 4. */
function shard(first: number): Uint8Array {
  const numbers = Array.from({ length: 40 }, (_, n) => first + n);
  const body = (n: number): string =>
    Array.from(
      { length: 12 },
      (_, line) => `Lesson ${n}.${line}: the number ${(n * 7919 + line * 104729) % 99991}.`,
    ).join('\n');
  return new Uint8Array(
    parquetWriteBuffer({
      codec: 'SNAPPY',
      rowGroupSize: 20,
      columnData: [
        { name: 'text', data: numbers.map(body), type: 'STRING' },
        { name: 'id', data: numbers.map((n) => `<urn:uuid:${n}>`), type: 'STRING' },
        { name: 'dump', data: numbers.map(() => 'CC-MAIN-2024-10'), type: 'STRING' },
        { name: 'url', data: numbers.map((n) => `https://example.org/${n}`), type: 'STRING' },
        { name: 'file_path', data: numbers.map(noise), type: 'STRING' },
        { name: 'int_score', data: numbers.map((n) => BigInt(2 + (n % 3))), type: 'INT64' },
        { name: 'token_count', data: numbers.map(() => 100n), type: 'INT64' },
      ],
    }),
  );
}

/** Eight thousand digits, which no codec makes much shorter. */
const noise = (seed: number): string =>
  Array.from({ length: 125 }, (_, n) => createHash('sha256').update(`${seed} ${n}`).digest('hex')).join('');

async function start(): Promise<{ hub: Hub; env: Record<string, string> }> {
  const files = { 'README.md': CARD, 'sample/10BT/000.parquet': shard(0), 'sample/10BT/001.parquet': shard(40) };
  const hub = await startHub({ repositories: { 'HuggingFaceFW/fineweb-edu': { files } } });
  onTestFinished(() => hub.close());
  const home = temporaryFolder();
  return { hub, env: { HF_ENDPOINT: hub.url, HF_HOME: home, HF_TOKEN: '', HF_HUB_CACHE: join(home, 'hub') } };
}

describe('the pipeline of FineWeb-Edu', () => {
  it('makes the same output over a good line and a bad one, streamed and through the cache', async () => {
    const { hub, env } = await start();
    const folder = temporaryFolder();
    const run = (name: string, ...flags: string[]) =>
      sluice(['run', 'fineweb-edu', '--output', join(folder, name), '--split-bytes', '20KB', ...flags], { env });
    const first = await run('first', '--workers', '2');
    expect(first.code, first.stderr).toBe(0);
    const { totals } = JSON.parse(readFileSync(join(folder, 'first/manifest.json'), 'utf8'));
    expect(totals).toMatchObject({ documents: 53, rejects: 0, filtered: 27 });
    expect(first.stderr).toContain('passed over    27 rows');

    hub.fault({ kind: 'status', status: 503, times: 2 });
    hub.fault({ kind: 'cut', after: 700, origin: 'cdn', times: 3 });
    hub.fault({ kind: 'reset', skip: 5, times: 2 });
    const second = await run('second', '--workers', '1');
    expect(second.code, second.stderr).toBe(0);
    expect(await hashTree(join(folder, 'second'))).toEqual(await hashTree(join(folder, 'first')));
    const cached = await run('cached', '--cache');
    expect(cached.code, cached.stderr).toBe(0);
    const shards = (name: string) => hashTree(join(folder, name, 'shards'));
    expect(await shards('cached')).toEqual(await shards('first'));
  });

  it('stops where the Hub stays away, says how to go on, and goes on', async () => {
    const { hub, env } = await start();
    const output = join(temporaryFolder(), 'out');
    const run = () =>
      sluice(['run', 'fineweb-edu', '--output', output, '--split-bytes', '20KB', '--workers', '1'], { env });
    // The plan is made of listings and of the ends of both files; what comes behind them fails.
    hub.fault({ kind: 'status', status: 404, origin: 'cdn', skip: 5, times: 999 });
    const broken = await run();
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/NOT_FOUND.*sample\/10BT\/00\d\.parquet|sample\/10BT\/00\d\.parquet/s);
    hub.clear();
    const whole = await run();
    expect(whole.code, whole.stderr).toBe(0);
    expect((await sluice(['verify', output])).code).toBe(0);
  });
});
