/**
 * Finishes a trained model folder: calibrates its automatic threshold, measures it on text it never saw, writes the card.
 *   node --conditions=sluice-source tools/train/card.ts MODEL_FOLDER CORPUS_FOLDER
 * MODEL_FOLDER is what train.py wrote; CORPUS_FOLDER what corpus.py wrote (only the held-back parts are read).
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  BOS_ID,
  BYTE_OFFSET,
  calibrate,
  type EntropyModel,
  openModel,
  patchLengths,
  writeCalibration,
} from 'sluice/model';

interface Training {
  readonly parameters: number;
  readonly steps: number;
  readonly bytes_seen: number;
  readonly minutes: number;
  readonly mix: Record<string, number>;
  readonly sources: Record<string, { train_bytes: number; held_back_bytes: number }>;
  readonly bits_per_byte_held_back: Record<string, number>;
  readonly held_back_bytes_measured: Record<string, number>;
}

const [dir = 'models/tiny', corpus = 'corpus'] = process.argv.slice(2);
const training = JSON.parse(await readFile(path.join(dir, 'training.json'), 'utf8')) as Training;
const held = new Map<string, Buffer>();
for (const kind of Object.keys(training.mix)) held.set(kind, await readFile(path.join(corpus, `${kind}.held.bin`)));

const SAMPLE = 16 << 10;
/** Documents of 16 KiB, spread evenly over a text, cut at line ends. */
function documents(text: Buffer, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const from = text.indexOf(10, Math.floor((i * (text.length - SAMPLE)) / count)) + 1;
    return Uint8Array.from(text.subarray(from, text.lastIndexOf(10, from + SAMPLE) + 1));
  });
}

const bare = await openModel(dir);
const sample = Object.entries(training.mix).flatMap(([kind, share]) =>
  documents(held.get(kind) ?? Buffer.of(), Math.round(share * 24)),
);
await writeCalibration(dir, await calibrate(bare, sample));
await bare.close();
const model = await openModel(dir);
const threshold = model.autoThreshold ?? Number.NaN;

async function measure(texts: readonly Uint8Array[]) {
  const lengths: number[] = [];
  let entropy = 0;
  let bytes = 0;
  let atWord = 0;
  for (const text of texts) {
    const entropies = new Float32Array(text.length);
    for await (const piece of model.encode(text)) entropies.set(piece.entropies, piece.offset);
    const ids = [BOS_ID, ...Array.from(text, (byte) => byte + BYTE_OFFSET)];
    let at = 0;
    for (const length of patchLengths(ids, [...entropies, 0], { threshold }).subarray(1)) {
      if (at === 0 || !isWordByte(text[at - 1]) || !isWordByte(text[at])) atWord++;
      lengths.push(length);
      at += length;
    }
    bytes += text.length;
    for (const nats of entropies) entropy += nats;
  }
  lengths.sort((a, b) => a - b);
  return {
    bytes,
    entropy: entropy / bytes,
    mean: bytes / lengths.length,
    median: lengths[lengths.length >> 1] ?? 0,
    p95: lengths[Math.floor(lengths.length * 0.95)] ?? 0,
    atWord: atWord / lengths.length,
  };
}

const isWordByte = (byte = 0): boolean =>
  (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte >= 128;

/** Bits a byte of one row, from the model's own scores. */
async function bitsOf(scored: EntropyModel, ids: number[]): Promise<number> {
  const { logits = new Float32Array() } = await scored.referenceTokens(ids, { logits: true });
  const vocabulary = logits.length / ids.length;
  let nats = 0;
  for (let t = 0; t + 1 < ids.length; t++) {
    const row = logits.subarray(t * vocabulary, (t + 1) * vocabulary);
    const top = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, score) => total + Math.exp(score - top), 0);
    nats += Math.log(sum) + top - (row[ids[t + 1] ?? 0] ?? 0);
  }
  return nats / (ids.length - 1) / Math.LN2;
}

const rows: string[] = [];
for (const [kind, text] of held) {
  const m = await measure(documents(text, 8));
  const scored = documents(text, 48);
  let bits = 0;
  for (const one of scored)
    bits += await bitsOf(model, [BOS_ID, ...Array.from(one.subarray(0, 4095), (byte) => byte + BYTE_OFFSET)]);
  rows.push(
    `| ${kind} | ${training.bits_per_byte_held_back[kind]?.toFixed(3)} | ${(bits / scored.length).toFixed(3)} | ${m.entropy.toFixed(3)} | ${m.mean.toFixed(2)} | ${m.median} | ${m.p95} | ${(100 * m.atWord).toFixed(0)} % |`,
  );
}
const excerpt = Buffer.from(
  'It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. Mr. Bingley rode from Netherfield to Meryton with Colonel Fitzwilliam.',
);
const entropies = new Float32Array(excerpt.length);
for await (const piece of model.encode(excerpt)) entropies.set(piece.entropies, piece.offset);
const cut = patchLengths([BOS_ID, ...Array.from(excerpt, (byte) => byte + BYTE_OFFSET)], [...entropies, 0], {
  threshold,
}).subarray(1);
const starts = [...cut].map((_, i) => cut.subarray(0, i).reduce((sum, length) => sum + length, 0));
const shown = starts.map((start, i) => excerpt.subarray(start, start + (cut[i] ?? 0)).toString()).join('|');
const megabytes = (count: number): string => `${(count / 1e6).toFixed(2)} MB`;
const { config } = model;

await writeFile(
  path.join(dir, 'README.md'),
  `# The embedded byte-entropy model

A byte-level language model of the released architecture (pre-norm transformer, interleaved RoPE, sliding window, SwiGLU)
and file layout, small enough to come with the package: ${training.parameters.toLocaleString('en')} parameters, dim ${config.dim},
${config.layers} layers, ${config.heads} heads, window ${config.window}, float32. It makes everything run with no download. For training data of
a large model use a large entropy model; this one cuts the same kind of patches, less sharply.

## Training

\`tools/train\` has the scripts; \`training.json\` their record. ${training.steps.toLocaleString('en')} steps, ${megabytes(training.bytes_seen)} of text seen in ${training.minutes} minutes on
two CPU cores that other work shared.

| text | share | available | held back |
|---|---|---|---|
${Object.entries(training.mix)
  .map(
    ([kind, share]) =>
      `| ${kind} | ${Math.round(100 * share)} % | ${megabytes(training.sources[kind]?.train_bytes ?? 0)} | ${megabytes(training.sources[kind]?.held_back_bytes ?? 0)} |`,
  )
  .join('\n')}

english: public-domain books (American Adventures, The Devil's Dictionary, Jack Sheppard, Moby-Dick, War and Peace).
code: Python, Perl and C sources and headers of a Debian system. languages: manual pages and the Debian Reference in
German, French, Spanish, Italian, Portuguese, Russian, Japanese and Chinese.

## On text it never saw

english: Pride and Prejudice, and Critical and Historical Essays, both never trained on. code and languages: one file in
40, chosen by hash. *bits a byte* is measured twice: by the training script on up to 1 MiB in pieces of 1,024 bytes without context,
and by sluice itself on 48 documents of 4,095 bytes spread over the text (indexes and title pages included). Patches are those of eight documents of 16 KiB at the automatic threshold.

| text | bits a byte (1 MiB, training script) | bits a byte (sluice) | mean entropy, nats | mean patch, bytes | median | 95 % | patches that begin at a word's edge |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

Automatic threshold: **${threshold}** nats (\`calibration.json\`), which gives patches of 4.5 bytes on a held-back mix of the three.

> ${shown}

## Limits

It saw few megabytes, so names, numbers and rare languages surprise it, as does any binary format. Patches of such data are short.
`,
);
await model.close();
process.stdout.write(`${rows.join('\n')}\nthreshold ${threshold}\n${shown}\n`);
