/**
 * Makes the bundled samples from public-domain books:
 *   node tools/samples/make.ts BOOKS_FOLDER
 * BOOKS_FOLDER holds the plain texts named below. The result is the same on every run.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';

const books = process.argv[2] ?? '.';
const out = path.join(import.meta.dirname, '../../samples');
const read = async (name: string): Promise<string> =>
  (await readFile(path.join(books, name), 'utf8')).replaceAll('\r\n', '\n');

await rm(out, { recursive: true, force: true });
for (const folder of ['novel', 'code', 'images']) await mkdir(path.join(out, folder), { recursive: true });

await writeFile(
  path.join(out, 'ABOUT.txt'),
  `Samples for a first run: public-domain text, code and an image, in the containers that data comes in.

novel/            chapters of Pride and Prejudice (Jane Austen, 1813), one file each
dictionary.jsonl.gz  entries of The Devil's Dictionary (Ambrose Bierce, 1911), one JSON object a line
essays.parquet    paragraphs of Critical and Historical Essays (Edward MacDowell, 1912), two row groups
whale.tar         chapters of Moby-Dick (Herman Melville, 1851)
code/, images/    made for this folder
`,
);

const chapters = (await read('pride-and-prejudice.txt')).split(/^(?=Chapter \d+$)/m).slice(1, 7);
for (const [i, text] of chapters.entries()) {
  await writeFile(path.join(out, `novel/chapter-${String(i + 1).padStart(2, '0')}.txt`), `${text.trim()}\n`);
}

const entries = (await read('devils-dictionary.txt'))
  .split(/\n(?=[A-Z][A-Z' -]+, [a-z.]+)/)
  .filter((entry) => /^[A-Z][A-Z' -]+,/.test(entry))
  .slice(0, 120)
  .map((entry) => ({ id: entry.slice(0, entry.indexOf(',')).toLowerCase(), text: entry.trim() }));
await writeFile(
  path.join(out, 'dictionary.jsonl.gz'),
  gzipSync(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { level: 9 }),
);

const paragraphs = (await read('critical-and-historical-essays.txt'))
  .split(/\n{2,}/)
  .map((paragraph) => paragraph.trim())
  .filter((paragraph) => paragraph.length > 300)
  .slice(20, 60);
await writeFile(
  path.join(out, 'essays.parquet'),
  new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: paragraphs.map((_, i) => `essay-${String(i).padStart(2, '0')}`), type: 'STRING' },
        { name: 'text', data: paragraphs, type: 'STRING' },
        { name: 'words', data: paragraphs.map((text) => text.split(/\s+/).length), type: 'INT32' },
      ],
      rowGroupSize: 20,
    }),
  ),
);

const whale = (await read('moby-dick.txt')).split(/^(?=CHAPTER \d+)/m).slice(-3);
const tar = pack();
const written = pipeline(tar, createWriteStream(path.join(out, 'whale.tar')));
for (const [i, text] of whale.entries()) {
  tar.entry({ name: `chapters/${i + 1}.txt`, mtime: new Date(0), mode: 0o644 }, text.trim().slice(0, 9000));
}
tar.finalize();
await written;

await writeFile(
  path.join(out, 'code/fibonacci.py'),
  `"""Fibonacci numbers by fast doubling."""


def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number.

    >>> [fibonacci(i) for i in range(10)]
    [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    """

    def pair(k: int) -> tuple[int, int]:
        if k == 0:
            return 0, 1
        a, b = pair(k // 2)
        c = a * (2 * b - a)
        d = a * a + b * b
        return (d, c + d) if k % 2 else (c, d)

    if n < 0:
        raise ValueError(f"n must not be negative, not {n}")
    return pair(n)[0]


if __name__ == "__main__":
    for i in range(0, 100, 10):
        print(f"{i:3d} {fibonacci(i)}")
`,
);
await writeFile(path.join(out, 'images/gradient.png'), png(48, 32));

/** An RGB gradient. */
function png(width: number, height: number): Uint8Array {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows.set([x * 5, y * 7, 128], y * (1 + width * 3) + 1 + x * 3);
  }
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
