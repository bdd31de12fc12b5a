/** Seeded numbers below 2^32. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return (x ^ (x >>> 15)) >>> 0;
  };
}

export function randomBytes(seed: number, length: number): Uint8Array {
  const next = randomNumbers(seed);
  return Uint8Array.from({ length }, () => next() & 255);
}

/** Two texts of about so many bytes; each word of the first is another one in the second with probability `edits`. */
export function relatedTexts(seed: number, bytes: number, edits: number): [Uint8Array, Uint8Array] {
  const next = randomNumbers(seed);
  const letters = (count: number): string => Array.from({ length: count }, () => 'etaoinshrdlu'[next() % 12]).join('');
  const words = Array.from({ length: 300 }, () => letters(2 + (next() % 8)));
  const word = (): string => words[Math.min(next() % 300, next() % 300)] ?? '';
  const first = Array.from({ length: Math.ceil(bytes / 6) }, word);
  const second = first.map((kept) => (next() / 2 ** 32 < edits ? word() : kept));
  return [Buffer.from(first.join(' ')), Buffer.from(second.join(' '))];
}
