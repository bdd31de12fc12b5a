import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { crc32, gunzipSync, gzipSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { SaxesParser } from 'saxes';
import { extract, pack } from 'tar-stream';
import { fromBufferPromise } from 'yauzl';
import { ZipFile } from 'yazl';
import { settledLimits } from '../src/decoders/limits.ts';
import { cutArchive } from '../src/operators/pretokenize/archive/cut.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { cutRecord } from '../src/operators/pretokenize/cut.ts';
import { detect, detectText } from '../src/operators/pretokenize/detect.ts';
import type { CutContext } from '../src/operators/pretokenize/modality.ts';
import { rawView } from '../src/operators/pretokenize/rawView.ts';
import { settled } from '../src/operators/pretokenize/settings.ts';
import { type Bench, type Measure, perItem } from './harness.ts';

const MB = 1e6;
const WORDS = 'the of and häuser to in is that señor for it was on are as with his they at naïve be'.split(' ');

function prose(seed: number, length: number): Buffer {
  let state = seed + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += `${WORDS[state >>> 27] ?? state >>> 20} `;
  }
  return Buffer.from(text).subarray(0, length);
}

interface Member {
  readonly name: string;
  readonly content: Buffer;
}

const members = (count: number, bytes: number): Member[] =>
  Array.from({ length: count }, (_, n) => ({ name: `folder/${n}.txt`, content: prose(n, bytes) }));

async function gathered(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function zipOf(files: readonly Member[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { name, content } of files) zip.addBuffer(content, name);
  zip.end();
  return gathered(zip.outputStream);
}

function tarOf(files: readonly Member[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content } of files) tar.entry({ name }, content);
  tar.finalize();
  return gathered(tar);
}

/** Members as they are: what is left is the container's own work. */
const context: Omit<CutContext, 'budget'> = {
  limits: settledLimits(),
  ffmpeg: undefined,
  maxSegmentBytes: 16 << 20,
  member: async (name, bytes) => [
    rawView({ bytes, name, modality: 'binary', mediaType: 'application/octet-stream', confidence: 1 }, 16 << 20),
  ],
};

const open = (bytes: Uint8Array, mediaType: string): unknown =>
  cutArchive(
    { bytes, name: 'x', modality: 'archive', mediaType, confidence: 1 },
    { documents: 'text', maxExpansion: 250 },
    { ...context, budget: new Budget(settledLimits({ decodedBytes: 1 << 30 })) },
  );

/** The content of every member by the bare decoder: the directory by yauzl, the rest by zlib. */
async function bareZip(bytes: Buffer): Promise<number> {
  const zip = await fromBufferPromise(bytes, { lazyEntries: true });
  let total = 0;
  for await (const entry of zip.eachEntry()) {
    const at = entry.relativeOffsetOfLocalHeader;
    const start = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28);
    const content = inflateRawSync(bytes.subarray(start, start + entry.compressedSize));
    if (crc32(content) !== entry.crc32) throw new Error('another checksum');
    total += content.length;
  }
  return total;
}

async function bareTar(bytes: Buffer): Promise<number> {
  const archive = extract();
  archive.end(bytes);
  let total = 0;
  for await (const entry of archive) total += (await gathered(entry)).length;
  return total;
}

function bareXml(text: string): number {
  let length = 0;
  const parser = new SaxesParser();
  parser.on('text', (part) => {
    length += part.length;
  });
  parser.on('opentag', () => {});
  parser.on('closetag', () => {});
  parser.write(text).close();
  return length;
}

/** A Word document of as many paragraphs, and the XML of its main part. */
async function wordDocument(paragraphs: number): Promise<{ readonly bytes: Buffer; readonly xml: string }> {
  const words = prose(1, 120).toString();
  const paragraph = `<w:p w:rsidR="00A"><w:pPr><w:jc w:val="left"/></w:pPr><w:r><w:rPr><w:b/></w:rPr><w:t>${words}</w:t></w:r></w:p>`;
  const xml = `<?xml version="1.0"?><w:document xmlns:w="urn:w"><w:body>${paragraph.repeat(paragraphs)}</w:body></w:document>`;
  const types = { name: '[Content_Types].xml', content: Buffer.from('<Types/>') };
  return { bytes: await zipOf([types, { name: 'word/document.xml', content: Buffer.from(xml) }]), xml };
}

/** Archives against their bare decoders, and what it takes to tell what bytes are. */
export default async function containers(bench: Bench): Promise<void> {
  const many = members(4000, 4000);
  const few = members(8, 2_000_000);
  const [zipMany, zipFew, tarMany] = [await zipOf(many), await zipOf(few), await tarOf(many)];
  const text = Buffer.concat(few.map(({ content }) => content));
  const gzipped = gzipSync(text);
  const tarGz = gzipSync(tarMany);
  const zstd = zstdCompressSync(text);
  const all = (files: readonly Member[]): number => files.reduce((sum, { content }) => sum + content.length, 0);
  const speed = (bytes: number): Measure => ({ unit: 'MB/cpu-s', of: (seconds) => bytes / MB / seconds });
  const rows = [
    ['ZIP, 4000 members of 4 kB', all(many), zipMany, 'application/zip', 'yauzl and zlib', () => bareZip(zipMany)],
    ['ZIP, 8 members of 2 MB', all(few), zipFew, 'application/zip', 'yauzl and zlib', () => bareZip(zipFew)],
    ['tar, 4000 members of 4 kB', all(many), tarMany, 'application/x-tar', 'tar-stream', () => bareTar(tarMany)],
    [
      'tar.gz, 4000 members of 4 kB',
      all(many),
      tarGz,
      'application/gzip',
      'zlib and tar-stream',
      () => bareTar(gunzipSync(tarGz)),
    ],
    ['gzip, 16 MB', text.length, gzipped, 'application/gzip', 'zlib', () => gunzipSync(gzipped)],
    ['zstd, 16 MB', text.length, zstd, 'application/zstd', 'zlib', () => zstdDecompressSync(zstd)],
  ] as const;
  for (const [name, bytes, archive, mediaType, peer, runPeer] of rows) {
    const run = (): unknown => open(archive, mediaType);
    await bench.compare({ case: name, measure: speed(bytes), run, peer: { name: peer, run: runPeer } });
  }
  const settings = settled({});
  const facts = {
    uri: 'x',
    stated: undefined,
    settings,
    limits: settledLimits({ decodedBytes: 1 << 30 }),
    ffmpeg: undefined,
  };
  await bench.compare({
    case: 'ZIP, 4000 texts, detected and cut',
    measure: speed(all(many)),
    run: () => cutRecord(zipMany, facts),
    peer: { name: 'yauzl and zlib', run: () => bareZip(zipMany) },
  });
  const word = await wordDocument(20_000);
  await bench.compare({
    case: 'Word document to text',
    measure: speed(word.xml.length),
    run: () => cutRecord(word.bytes, facts),
    peer: { name: 'saxes alone', run: () => bareXml(word.xml) },
  });
  const detection = { modality: undefined, fallbackCharset: undefined };
  const records = many.map(({ content }) => content);
  await bench.compare({
    case: 'detection of texts of 4 kB',
    measure: perItem(records.length),
    run: () => records.map((bytes) => detectText(bytes, 'x.txt', detection)),
    peer: { name: 'isUtf8 alone', run: () => records.map((bytes) => isUtf8(bytes)) },
  });
  const picture = readFileSync(new URL('../test/fixtures/media/detection/both.mp4', import.meta.url));
  await bench.compare({
    case: 'detection of an MP4 file',
    measure: perItem(1000),
    async run() {
      for (let n = 0; n < 1000; n++) await detect(picture, 'x', detection);
    },
  });
}
