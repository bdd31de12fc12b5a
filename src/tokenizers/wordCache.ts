import { hashOf } from './byteTable.ts';

/** Longest word, and most tokens of one, that are kept. */
const KEY_BYTES = 32;
const IDS = 16;
/** i32 of a place: hash, bytes of the word, tokens, then the tokens themselves. */
const PLACE = 3 + IDS;

/**
 * Tokens of words that came up before, in a fixed number of places; a word that hashes to a taken place takes it over. So
 * its size never changes, and what it holds never changes a result.
 */
export class WordCache {
  readonly #places: Int32Array;
  readonly #keys: Uint8Array;
  readonly #mask: number;

  /** @param bytes of memory at most, as a power of two of places allows */
  constructor(bytes: number) {
    let places = 1;
    while (2 * places * (4 * PLACE + KEY_BYTES) <= bytes) places *= 2;
    this.#places = new Int32Array(places * PLACE);
    this.#keys = new Uint8Array(places * KEY_BYTES);
    this.#mask = places - 1;
  }

  /** Copies the tokens of a word to `into` and returns how many they are; 0 where it is not known. */
  take(bytes: Uint8Array, from: number, to: number, into: Uint32Array, at: number): number {
    const length = to - from;
    if (length > KEY_BYTES) return 0;
    const hash = hashOf(bytes, from, to);
    const slot = hash & this.#mask;
    const place = slot * PLACE;
    const places = this.#places;
    if (places[place] !== hash || places[place + 1] !== length) return 0;
    const keys = this.#keys;
    const key = slot * KEY_BYTES;
    for (let byte = 0; byte < length; byte++) if (keys[key + byte] !== bytes[from + byte]) return 0;
    const count = places[place + 2] ?? 0;
    for (let id = 0; id < count; id++) into[at + id] = places[place + 3 + id] ?? 0;
    return count;
  }

  put(bytes: Uint8Array, from: number, to: number, symbols: Int32Array, count: number): void {
    const length = to - from;
    if (length > KEY_BYTES || count > IDS) return;
    const hash = hashOf(bytes, from, to);
    const slot = hash & this.#mask;
    const place = slot * PLACE;
    const places = this.#places;
    places[place] = hash;
    places[place + 1] = length;
    places[place + 2] = count;
    for (let id = 0; id < count; id++) places[place + 3 + id] = symbols[id] ?? 0;
    for (let byte = 0; byte < length; byte++) this.#keys[slot * KEY_BYTES + byte] = bytes[from + byte] ?? 0;
  }
}
