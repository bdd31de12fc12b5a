import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

export interface GeneratedCorpus {
  readonly folder: string;
  readonly documents: number;
  readonly files: number;
}

const WORDS = 20_000;
/** Of the logarithm of the number of words, which is 80 in the middle. */
const SIGMA = 0.6;

/**
 * Writes documents of random words as JSON lines, the same each time: 1 in 20 is an equal copy of one before it, anywhere,
 * 1 in 5 a copy of which up to a quarter of the words are others, and 1 in 1,000 is shorter than a shingle.
 */
export async function generateCorpus({ folder, documents, files }: GeneratedCorpus): Promise<void> {
  await mkdir(folder, { recursive: true });
  const words = vocabulary();
  let document = 0;
  for (let file = 0; file < files; file++) {
    const out = createWriteStream(path.join(folder, `part-${String(file).padStart(4, '0')}.jsonl`));
    const end = Math.floor(((file + 1) * documents) / files);
    while (document < end) {
      const lines: string[] = [];
      for (const stop = Math.min(end, document + 1000); document < stop; document++) {
        lines.push(`${JSON.stringify({ id: `d${document}`, text: textOf(document, words) })}\n`);
      }
      if (!out.write(lines.join(''))) await once(out, 'drain');
    }
    out.end();
    await once(out, 'close');
  }
}

/** xorshift, seeded by a number of which all bits count. */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995;
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function vocabulary(): readonly string[] {
  const random = randomFrom(77);
  return Array.from({ length: WORDS }, () => {
    const length = 2 + Math.floor(random() * 3) + Math.floor(random() * 6);
    return Array.from({ length }, () => 'etaoinshrdlcumwfgypbvk'[Math.floor(random() * random() * 22)] ?? 'e').join('');
  });
}

function textOf(document: number, words: readonly string[]): string {
  const random = randomFrom(document);
  const kind = random();
  const original = Math.floor(random() * document);
  if (kind < 0.001) return 'abc'.slice(0, document % 4);
  if (kind < 0.05 && document > 0) return originalText(original, words).join(' ');
  if (kind < 0.25 && document > 0) {
    const share = random() * 0.25;
    const picked = originalText(original, words);
    return picked.map((word) => (random() < share ? wordAt(random(), words) : word)).join(' ');
  }
  return originalText(document, words).join(' ');
}

function originalText(document: number, words: readonly string[]): string[] {
  const random = randomFrom(document ^ 0x2a2a2a2a);
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const length = Math.max(3, Math.round(80 * Math.exp(SIGMA * normal)));
  return Array.from({ length }, () => wordAt(random(), words));
}

/** Few words are frequent, as in any language. */
const wordAt = (random: number, words: readonly string[]): string =>
  words[Math.floor(words.length ** random) - 1] ?? 'the';
