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

/**
 * Two texts of about so many bytes; each word of the first is another one in the second with probability `edits`. Words are
 * drawn anew for each seed, from all bytes but white space: pairs share next to nothing with each other.
 */
export function relatedTexts(seed: number, bytes: number, edits: number): [Uint8Array, Uint8Array] {
  const next = randomNumbers(seed * 1_000_003);
  const words = Array.from({ length: 300 }, () =>
    String.fromCharCode(...Array.from({ length: 2 + (next() % 8) }, () => 33 + (next() % 223))),
  );
  const word = (): string => words[Math.min(next() % 300, next() % 300)] ?? '';
  const first = Array.from({ length: Math.ceil(bytes / 6) }, word);
  const second = first.map((kept) => (next() / 2 ** 32 < edits ? word() : kept));
  return [Buffer.from(first.join(' '), 'latin1'), Buffer.from(second.join(' '), 'latin1')];
}
