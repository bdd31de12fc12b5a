import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { OutputFolder } from '../../src/run/durable.ts';
import { npz, parquet, safetensors, webdataset } from '../../src/sinks/index.ts';
import { TarShard } from '../../src/sinks/webdataset/tarShard.ts';
import { type Bench, type Measure, min, time } from '../harness.ts';
import { patchesOf, writeThrough } from './files.ts';

const ROUNDS = 9;
const SAMPLES = 10_000;
const PAYLOAD = 10_000;
const FACTS = Buffer.from('{}'.repeat(150));

/** Members of an archive from memory, against Python's tarfile; both write to a file, and only ours also hashes and syncs it. */
async function tar(bench: Bench, folder: string): Promise<void> {
  const payload = randomBytes(PAYLOAD);
  const bytes = SAMPLES * (PAYLOAD + FACTS.length);
  const write = async (): Promise<void> => {
    const output = new OutputFolder(path.join(folder, 'tar'));
    await output.prepare();
    const shard = new TarShard(await output.file('wds/00000.tar'), 'none');
    for (let i = 0; i < SAMPLES; i++) {
      const key = `00000-${String(i).padStart(8, '0')}`;
      await shard.add([
        { name: `${key}.bin`, bytes: payload.length, chunks: [payload] },
        { name: `${key}.json`, bytes: FACTS.length, chunks: [FACTS] },
      ]);
    }
    await shard.publish({});
  };
  const seconds: number[] = [];
  for (let round = -2; round < ROUNDS; round++) {
    const taken = await time(write, 'cpu');
    if (round >= 0) seconds.push(taken);
  }
  const script = path.join(import.meta.dirname, 'writeTar.py');
  const settings = [path.join(folder, 'peer.tar'), SAMPLES, PAYLOAD, ROUNDS].map(String);
  const { status, stdout } = spawnSync('python3', [script, ...settings], { encoding: 'utf8' });
  if (status !== 0) process.stderr.write('sinks: no python3 here: its tarfile is left out\n');
  bench.report({
    case: `tar of ${2 * SAMPLES} members, hashed and synced`,
    value: bytes / 1e6 / min(seconds),
    unit: 'MB/cpu-s',
    ...(status === 0 && { peer: 'tarfile of Python', peerValue: bytes / 1e6 / Number(stdout) }),
  });
}

/** Patches in every form of file, against a copy of the file that comes out. */
async function patches(bench: Bench, folder: string): Promise<void> {
  const values = patchesOf(256, 400, 128);
  const bytes = values.reduce((sum, value) => sum + value.embeddings.byteLength + 17 * value.lengths.length, 0);
  const speed: Measure = { unit: 'MB/cpu-s', of: (seconds) => bytes / 1e6 / seconds };
  const root = path.join(folder, 'patches');
  const copyOf = (file: string) => (): void => copyFileSync(path.join(root, file), path.join(folder, 'copy'));
  const cases = [
    ['safetensors', safetensors(), 'shards/00000-000000.safetensors'],
    ['Parquet, a row each', parquet('rows'), 'rows/00000-000000.parquet'],
    ['Parquet, a row a document', parquet('lists', { rows: 'document' }), 'lists/00000-000000.parquet'],
    ['npz', npz(), 'npz/00000-000000.npz'],
    ['WebDataset (tar)', webdataset('none'), 'none/00000-000000.tar'],
    ['WebDataset (tar.gz)', webdataset('gzip', { compression: 'gzip' }), 'gzip/00000-000000.tar.gz'],
    ['WebDataset (tar.zst)', webdataset('zstd', { compression: 'zstd' }), 'zstd/00000-000000.tar.zst'],
  ] as const;
  for (const [name, sink, file] of cases) {
    await writeThrough(sink, values, root);
    await bench.compare({
      case: `patches to ${name}`,
      measure: speed,
      run: () => writeThrough(sink, values, root),
      peer: { name: 'copy of the file', run: copyOf(file) },
      rounds: ROUNDS,
    });
  }
  await costs(bench, path.join(root, 'shards/00000-000000.safetensors'), path.join(folder, 'synced'));
}

/** What a file costs besides being written: its hash, and the disk's word that it is there. */
async function costs(bench: Bench, file: string, target: string): Promise<void> {
  const content = readFileSync(file);
  await bench.compare({
    case: 'SHA-256 of that file alone',
    measure: { unit: 'MB/cpu-s', of: (seconds) => content.length / 1e6 / seconds },
    run: () => createHash('sha256').update(content).digest(),
    rounds: ROUNDS,
  });
  const synced = (): void => {
    const descriptor = openSync(target, 'w');
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
    closeSync(descriptor);
  };
  await bench.compare({
    case: `write and fsync of ${(content.length / 1e6).toFixed(0)} MB`,
    measure: { unit: 'ms', of: (seconds) => 1e3 * seconds },
    run: synced,
    peer: { name: 'without fsync', run: () => writeFileSync(target, content) },
    clock: 'wall',
    statistic: 'median',
    rounds: ROUNDS,
  });
}

export async function archives(bench: Bench, folder: string): Promise<void> {
  await tar(bench, folder);
  await patches(bench, folder);
}
