import { spawnSync } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { openPromise } from 'yauzl';
import { ZipFile } from 'yazl';
import { openArchive } from '../src/archives/archiveIndex.ts';
import type { Document } from '../src/records.ts';
import { type Source, tar, zip } from '../src/sources/index.ts';
import { openLocal } from '../src/sources/open-file.ts';
import { found } from '../src/sources/walk.ts';
import type { Bench, Measure } from './harness.ts';

const MB = 1e6;
const SMALL = 8_000;
const SMALL_BYTES = 2_000;
const LARGE = 60;
const LARGE_BYTES = 700_000;
const READS = 1_000;

const WORDS = 'the of and häuser to in is that señor for it was on are as with his they at naïve be'.split(' ');

/** Words in an order of their own. */
function prose(seed: number, length: number): Buffer {
  let state = seed + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += `${WORDS[state >>> 27] ?? state >>> 20} `;
  }
  return Buffer.from(text).subarray(0, length);
}

const members = [
  ...Array.from({ length: SMALL }, (_, n) => ({ name: `small/${n}.txt`, seed: n, bytes: SMALL_BYTES })),
  ...Array.from({ length: LARGE }, (_, n) => ({ name: `large/${n}.txt`, seed: n, bytes: LARGE_BYTES })),
];

async function consume(source: Source<Document>): Promise<number> {
  let bytes = 0;
  const reject = (error: Error): never => {
    throw error;
  };
  for await (const split of source.splits({ splitBytes: 1 << 30, reject })) {
    await new Promise<void>((resolve, fail) =>
      source.read({ ...split, id: '00000' }).subscribe({
        next: (document) => {
          bytes += document.bytes.length;
        },
        error: fail,
        complete: resolve,
      }),
    );
  }
  return bytes;
}

/** Each member's content as one buffer, as a document has it. */
async function bareTar(path: string): Promise<number> {
  const archive = extract();
  const fed = path.endsWith('.gz')
    ? pipeline(createReadStream(path), createGunzip(), archive)
    : pipeline(createReadStream(path), archive);
  let bytes = 0;
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    bytes += Buffer.concat(chunks).length;
  }
  await fed;
  return bytes;
}

async function bareZip(path: string): Promise<number> {
  const archive = await openPromise(path, { lazyEntries: true });
  let bytes = 0;
  for await (const entry of archive.eachEntry()) {
    const chunks: Buffer[] = [];
    for await (const chunk of await archive.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
    bytes += Buffer.concat(chunks).length;
  }
  return bytes;
}

const PYTHON_READ = `
import sys, time, tarfile, zipfile
best = 0
for _ in range(3):
    start = time.process_time()
    n = 0
    if sys.argv[1].endswith('.zip'):
        with zipfile.ZipFile(sys.argv[1]) as archive:
            for member in archive.infolist(): n += len(archive.read(member))
    else:
        with tarfile.open(sys.argv[1]) as archive:
            for member in archive: n += len(archive.extractfile(member).read())
    best = max(best, n / 1e6 / (time.process_time() - start))
print(best)
`;

/** Megabytes per CPU second of Python's own reader; undefined without Python. */
function python(path: string): number | undefined {
  const { status, stdout } = spawnSync('python3', ['-c', PYTHON_READ, path], { encoding: 'utf8' });
  return status === 0 ? Number(stdout) : undefined;
}

async function write(folder: string): Promise<{ readonly bytes: number; readonly content: Buffer }> {
  const packed = pack();
  const zipped = new ZipFile();
  const done = Promise.all([
    pipeline(packed, createWriteStream(join(folder, 'x.tar'))),
    pipeline(zipped.outputStream, createWriteStream(join(folder, 'x.zip'))),
  ]);
  let bytes = 0;
  for (const member of members) {
    const content = prose(member.seed, member.bytes);
    bytes += content.length;
    packed.entry({ name: member.name }, content);
    zipped.addBuffer(content, member.name);
  }
  packed.finalize();
  zipped.end();
  await done;
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(join(folder, 'x.tar'))) chunks.push(chunk as Buffer);
  return { bytes, content: Buffer.concat(chunks) };
}

/** Reads members of the archive in an order of their own. */
async function random(bench: Bench, what: string, path: string, cache: string, plain: FileHandle): Promise<void> {
  const file = await openLocal(found(path, basename(path), statSync(path)));
  const start = performance.now();
  const index = await openArchive(file, { cache });
  const seconds = (performance.now() - start) / 1e3;
  bench.report({ case: `index of ${what}, made in one pass`, value: members.length / seconds, unit: 'members/s' });
  const order = Array.from({ length: READS }, (_, n) => (Math.imul(n + 1, 2654435761) % SMALL) >>> 0);
  const measure: Measure = { unit: 'members/cpu-s', of: (taken) => READS / taken };
  await bench.compare({
    case: `random members of ${what}`,
    measure,
    rounds: 9,
    async run() {
      for (const n of order) await index.read(`small/${n % SMALL}.txt`);
    },
    peer: {
      name: 'reading as much of a plain file here and there',
      async run() {
        for (const n of order) await plain.read(Buffer.allocUnsafe(SMALL_BYTES), 0, SMALL_BYTES, (n % SMALL) * 3072);
      },
    },
  });
  await index.close();
  await file.close();
}

/** Archives against bare libraries and Python's own readers, and any member of them at random. */
export default async function archives(bench: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    const { bytes, content } = await write(folder);
    const [plain, gz, zipped] = ['x.tar', 'x.tar.gz', 'x.zip'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(gz, gzipSync(content));
    const framed = join(folder, 'framed.tar.gz');
    const frames = Array.from({ length: Math.ceil(content.length / (1 << 20)) }, (_, n) =>
      gzipSync(content.subarray(n << 20, (n + 1) << 20)),
    );
    writeFileSync(framed, Buffer.concat(frames));
    const measure: Measure = { unit: 'MB/cpu-s', of: (seconds) => bytes / MB / seconds };
    const readers = [
      ['tar to documents', plain, () => consume(tar(plain)), 'tar-stream alone', () => bareTar(plain)],
      ['tar.gz to documents', gz, () => consume(tar(gz)), 'tar-stream and gunzip', () => bareTar(gz)],
      ['ZIP to documents', zipped, () => consume(zip(zipped)), 'yauzl alone', () => bareZip(zipped)],
    ] as const;
    for (const [name, path, run, peer, runPeer] of readers) {
      const row = await bench.compare({ case: name, measure, warmUp: 1, run, peer: { name: peer, run: runPeer } });
      const peerValue = python(path);
      if (peerValue === undefined) continue;
      bench.report({ case: `${name}, again`, value: row.value, unit: row.unit, peer: 'Python alone', peerValue });
    }
    const handle = await open(plain);
    await random(bench, 'a plain tar', plain, folder, handle);
    await random(bench, 'a gzip in members of 1 MiB', framed, folder, handle);
    await random(bench, 'a gzip of one member', gz, folder, handle);
    await random(bench, 'a ZIP', zipped, folder, handle);
    await handle.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
