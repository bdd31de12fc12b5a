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

const windows1252: Readonly<Record<string, string>> = {
  '‘': '\x91',
  '’': '\x92',
  '“': '\x93',
  '”': '\x94',
  '—': '\x97',
};

await rm(out, { recursive: true, force: true });
for (const folder of ['novel', 'code', 'images', 'sounds', 'pages'])
  await mkdir(path.join(out, folder), { recursive: true });

await writeFile(
  path.join(out, 'ABOUT.txt'),
  `Samples for a first run: public-domain text, code, an image, a sound and a PDF, in the containers that data comes in.

novel/            chapters of Pride and Prejudice (Jane Austen, 1813), one file each
dictionary.jsonl.gz  entries of The Devil's Dictionary (Ambrose Bierce, 1911), one JSON object a line
essays.parquet    paragraphs of Critical and Historical Essays (Edward MacDowell, 1912), two row groups
whale.tar         chapters of Moby-Dick (Herman Melville, 1851)
pages/           the beginning of the novel's fourth chapter, set as a PDF of two pages
sounds/           the tune of Beethoven's Ode to Joy (1824), two bars of it, from sine waves
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
await writeFile(path.join(out, 'sounds/ode.wav'), wav([64, 64, 65, 67, 67, 65, 64, 62], 8000));
await writeFile(path.join(out, 'pages/chapter-04.pdf'), pdf(chapters[3]?.trim() ?? '', 2));

/** Notes of 0.2 s, by their MIDI numbers: one channel of 16 bits. */
function wav(notes: readonly number[], rate: number): Uint8Array {
  const each = rate / 5;
  const samples = new Int16Array(notes.length * each);
  for (const [place, note] of notes.entries()) {
    const step = (2 * Math.PI * 440 * 2 ** ((note - 69) / 12)) / rate;
    for (let i = 0; i < each; i++) {
      const fade = Math.min(1, i / 80, (each - i) / 400);
      samples[place * each + i] = Math.round(12_000 * fade * (Math.sin(step * i) + 0.3 * Math.sin(2 * step * i)));
    }
  }
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write('WAVEfmt ', 8);
  for (const [value, at] of [
    [16, 16],
    [rate, 24],
    [2 * rate, 28],
  ] as const)
    header.writeUInt32LE(value, at);
  for (const [value, at] of [
    [1, 20],
    [1, 22],
    [2, 32],
    [16, 34],
  ] as const)
    header.writeUInt16LE(value, at);
  header.write('data', 36);
  header.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer)]);
}

/** Text in lines of Times at 12 points, as many pages as asked for. */
function pdf(text: string, pages: number): Uint8Array {
  const lines = text
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll(/[‘’“”—]/g, (mark) => windows1252[mark] ?? ''))
    .flatMap((paragraph) => [...(paragraph.replaceAll(/\s+/g, ' ').match(/.{1,78}(?= |$)/g) ?? []), '']);
  const objects = ['<< /Type /Catalog /Pages 2 0 R >>', ''];
  const kids: string[] = [];
  for (let page = 0; page < pages; page++) {
    const shown = lines
      .slice(page * 44, (page + 1) * 44)
      .map((line) => `(${line.trim().replaceAll(/[\\()]/g, '\\$&')}) Tj T*`);
    const content = `BT /F1 12 Tf 14.5 TL 72 740 Td\n${shown.join('\n')}\nET`;
    kids.push(`${objects.length + 1} 0 R`);
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents ${objects.length + 2} 0 R /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding /WinAnsiEncoding >> >> >> >>`,
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    );
  }
  objects[1] = `<< /Type /Pages /Count ${pages} /Kids [${kids.join(' ')}] >>`;
  let file = '%PDF-1.4\n';
  const places = objects.map((object, i) => {
    const at = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(at).padStart(10, '0')} 00000 n \n`;
  });
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.join('')}`;
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file + table + trailer, 'latin1');
}

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
