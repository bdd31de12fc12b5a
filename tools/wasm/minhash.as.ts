/**
 * MinHash signatures by Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup, FOCS 2017) in AssemblyScript; `build.mjs`
 * compiles it. Results are those of src/lsh/signature.ts and src/lsh/bands.ts bit for bit; src/lsh/signer.ts drives it.
 *
 * Shingles are hashed a tile at a time into HASHES, and round 0 drops the hashes into bins. A document whose bins are all
 * filled then is done, and few are not. For the others ROUNDS holds the round that filled a bin: with it the hashes may come
 * in portions, so that a document of any length passes through the memory in pieces, twice.
 */

/**
 * Up to 0x6_0000, where the addresses of src/lsh/signer.ts begin. SIGNATURE, LEAST and ROUNDS have room for 2^14 bins and for
 * what vectors write behind the last one, LIST for two tiles, SEEN for twice as many slots.
 *
 * Hashes are dropped into a table in two halves: bins of hashes below 2^31 lie from LOWER on, the others end at UPPER_END,
 * each where one product with a signed half of the hash says. With an odd number of bins the middle one is in both.
 */
const LOWER: usize = 0x0_0000;
const UPPER_END: usize = 0x4_0000;
const SIGNATURE: usize = 0x0_9000;
const LEAST: usize = 0x1_a000;
const WORDS: usize = 0x2_b000;
const HASHES: usize = 0x2_d400;
/** What a later round makes of the hashes of a tile. */
const REMIXED: usize = 0x3_1c00;
const ROUNDS: usize = 0x4_1000;
const SEEN: usize = 0x5_2000;
const LIST: usize = 0x5_a000;

/** Vectors that loops need again and again: V8 makes a constant anew at every use, and never moves that out of a loop. */
const HELD: usize = 0x5_f000;
const HELD_FACTOR_1: usize = HELD;
const HELD_FACTOR_2: usize = HELD + 0x10;
const HELD_FACTOR_3: usize = HELD + 0x20;
const HELD_SEED: usize = HELD + 0x30;
const HELD_BINS: usize = HELD + 0x40;
/** Which bytes of sixteen make the two words of each of four shingles of up to eight bytes. */
const HELD_LOW: usize = HELD + 0x50;
const HELD_HIGH: usize = HELD + 0x60;

/** Hashes worked on at once: they stay in the first-level cache. */
const TILE: i32 = 2048;
/** From a hash in HASHES or REMIXED to the product whose upper half is its bin, or that less the number of bins. */
const PRODUCTS: usize = 0x2400;
/**
 * Bytes of hashes between making one and dropping it, a multiple of 64. A processor knows the bins long before it comes to
 * them then, and drops hashes while it waits for others: that saves a third of the time against dropping each at once.
 */
const LAG: usize = 256;
/** Shingles of so many bytes are hashed in one step. */
const UNIT: i32 = 8;
/** The round in which repeated hashes are dropped: most documents never come to it. */
const DISTINCT_FROM: u32 = 4;

const EMPTY: u32 = 0xffff_ffff;

const FACTOR_1: u32 = 0x9e37_79b1;
const FACTOR_2: u32 = 0x21f0_aaad;
const FACTOR_3: u32 = 0xd35a_2d97;
const SEED: u32 = 0x5384_540f;

const NO_SHINGLE: i32 = 0;
const DONE: i32 = 1;
const AGAIN: i32 = 2;

let ofWords: bool = false;
let length: i32 = 5;
let bins: u32 = 100;
let bands: i32 = 0;
let rows: i32 = 0;

/** Whether the document is read for the second time. */
let second: bool = false;
let tiles: i32 = 0;
/** Hashes in the last tile, and in LIST. */
let inTile: i32 = 0;
let listed: i32 = 0;
/** Hashes in WORDS, and the one of a word that has not ended. */
let words: i32 = 0;
let word: u32 = 0;
let inWord: bool = false;

export function configure(shinglesOfWords: bool, shingle: i32, components: u32, bandCount: i32, rowsOfBand: i32): void {
  ofWords = shinglesOfWords;
  length = shingle;
  bins = components;
  bands = bandCount;
  rows = rowsOfBand;
  v128.store(HELD_FACTOR_1, i32x4.splat(FACTOR_1));
  v128.store(HELD_FACTOR_2, i32x4.splat(FACTOR_2));
  v128.store(HELD_FACTOR_3, i32x4.splat(FACTOR_3));
  v128.store(HELD_SEED, i32x4.splat(SEED));
  // for the upper half of each number only
  v128.store(HELD_BINS, i32x4.splat(components << 16));
  for (let lane = 0; lane < 4; lane++) {
    for (let byte = 0; byte < 4; byte++) {
      const at = <usize>(4 * lane + byte);
      // a byte that is not there reads as zero
      store<u8>(HELD_LOW + at, byte < shingle ? lane + byte : 255);
      store<u8>(HELD_HIGH + at, byte + 4 < shingle ? lane + byte + 4 : 255);
    }
  }
}

/** Signs whole documents: the text of document i lies from `offsets[i]` to `offsets[i + 1]`. */
export function sign(text: usize, offsets: usize, documents: i32, signatures: usize, keys: usize, signed: usize): void {
  const size = (<usize>bins) << 2;
  for (; documents > 0; documents--) {
    const from = load<u32>(offsets);
    const bytes = load<u32>(offsets, 4) - from;
    begin();
    read(text + from, bytes);
    let state = end();
    if (state === AGAIN) {
      read(text + from, bytes);
      state = end();
    }
    store<u8>(signed, state);
    if (state === DONE) {
      write(signatures, keys);
    } else {
      memory.fill(signatures, 0, size);
      memory.fill(keys, 0, (<usize>bands) << 3);
    }
    offsets += 4;
    signed += 1;
    signatures += size;
    keys += (<usize>bands) << 3;
  }
}

/** A document begins; `read` takes its text in pieces, byte shingles in pieces that overlap by one byte less than k. */
export function begin(): void {
  second = false;
  tiles = 0;
  words = 0;
  inWord = false;
  emptyBins();
}

export function read(text: usize, bytes: i32): void {
  if (ofWords) readWords(text, bytes);
  else readBytes(text, bytes);
}

/** The text has ended: NO_SHINGLE, DONE (the signature is complete), or AGAIN, which asks for the same text once more. */
export function end(): i32 {
  if (ofWords) endWords();
  if (tiles === 0) return NO_SHINGLE;
  if (second) {
    if (listed > 0) laterRounds(LIST, listed);
    return DONE;
  }
  collect(SIGNATURE);
  if (!beginLaterRounds()) return DONE;
  if (tiles === 1) {
    laterRounds(HASHES, inTile);
    return DONE;
  }
  second = true;
  listed = 0;
  words = 0;
  inWord = false;
  return AGAIN;
}

/** The finished signature and its band keys; 8 bytes behind the keys may be written too. */
export function write(signature: usize, keys: usize): void {
  memory.copy(signature, SIGNATURE, (<usize>bins) << 2);
  bandKeys(keys);
}

/** Two 32-bit words for each band of the finished signature; two bands at a time. */
function bandKeys(target: usize): void {
  const factor1 = v128.load(HELD_FACTOR_1);
  const factor2 = v128.load(HELD_FACTOR_2);
  const factor3 = v128.load(HELD_FACTOR_3);
  const four = i32x4.splat(4);
  const size = (<usize>rows) << 2;
  let words = i32x4(0, 1, 2, 3);
  let row = SIGNATURE;
  for (let band = 0; band < bands; band += 2) {
    let key = words;
    for (const last = row + size; row < last; row += 4) {
      const values = i64x2.shuffle(v128.load32_splat(row), v128.load32_splat(row + size), 0, 2);
      key = spread(v128.xor(key, values), factor1);
    }
    v128.store(target, finished(key, factor2, factor3));
    words = i32x4.add(words, four);
    row += size;
    target += 16;
  }
}

function readBytes(text: usize, bytes: i32): void {
  for (let left = bytes - length + 1; left > 0; left -= TILE) {
    const count = min(left, TILE);
    if (second || length > UNIT) {
      hashBytes(text, count);
      take(count);
    } else {
      tiles++;
      inTile = count;
      hashAndDropBytes(text, count);
    }
    text += TILE;
  }
}

/** Words are runs of bytes other than white space, hashed by FNV-1a. */
function readWords(text: usize, bytes: i32): void {
  for (const last = text + bytes; text < last; text++) {
    const byte = load<u8>(text) as u32;
    if (byte === 0x20 || byte - 0x09 < 5) {
      if (inWord) endWord();
    } else {
      if (!inWord) word = 0x811c_9dc5;
      inWord = true;
      word = (word ^ byte) * 0x0100_0193;
    }
  }
}

function endWord(): void {
  inWord = false;
  store<u32>(WORDS + ((<usize>words) << 2), word);
  words++;
  if (words === TILE) takeWords();
}

function endWords(): void {
  if (inWord) endWord();
  takeWords();
}

/** Takes the shingles of the words at hand, and keeps those that the next shingle begins with. */
function takeWords(): void {
  const count = words - length + 1;
  if (count <= 0) return;
  memory.copy(HASHES, WORDS, (<usize>words) << 2);
  join(0, words);
  widen(1, count);
  take(count);
  words = length - 1;
  memory.copy(WORDS, WORDS + ((<usize>count) << 2), (<usize>words) << 2);
}

/** Hashes of `count` byte shingles. */
function hashBytes(text: usize, count: i32): void {
  const low = v128.load(HELD_LOW);
  const high = v128.load(HELD_HIGH);
  const factor1 = v128.load(HELD_FACTOR_1);
  const factor2 = v128.load(HELD_FACTOR_2);
  const factor3 = v128.load(HELD_FACTOR_3);
  const seed = v128.load(HELD_SEED);
  const last = HASHES + ((<usize>(count + length - min(length, UNIT))) << 2);
  for (let target = HASHES; target < last; target += 16) {
    v128.store(target, shingles(v128.load(text), low, high, factor1, factor2, factor3, seed));
    text += 4;
  }
  widen(UNIT, count);
}

/** The same where one step makes them, and each goes into its bin. */
function hashAndDropBytes(text: usize, count: i32): void {
  const low = v128.load(HELD_LOW);
  const high = v128.load(HELD_HIGH);
  const factor1 = v128.load(HELD_FACTOR_1);
  const factor2 = v128.load(HELD_FACTOR_2);
  const factor3 = v128.load(HELD_FACTOR_3);
  const seed = v128.load(HELD_SEED);
  const scale = v128.load(HELD_BINS);
  const last = HASHES + ((<usize>count) << 2);
  for (let target = HASHES; target < last; target += 64) {
    put(target, shingles(v128.load(text), low, high, factor1, factor2, factor3, seed), scale);
    put(target + 16, shingles(v128.load(text, 4), low, high, factor1, factor2, factor3, seed), scale);
    put(target + 32, shingles(v128.load(text, 8), low, high, factor1, factor2, factor3, seed), scale);
    put(target + 48, shingles(v128.load(text, 12), low, high, factor1, factor2, factor3, seed), scale);
    if (target >= HASHES + LAG) {
      drop8(target - LAG);
      drop8(target - LAG + 32);
    }
    text += 16;
  }
  dropLast(HASHES, last);
}

/** Hashes of the shingles at the first four of these bytes. */
function shingles(bytes: v128, low: v128, high: v128, factor1: v128, factor2: v128, factor3: v128, seed: v128): v128 {
  const first = i8x16.relaxed_swizzle(bytes, low);
  const second = i8x16.relaxed_swizzle(bytes, high);
  return mixed(first, second, factor1, factor2, factor3, seed);
}

/** From hashes of `from` units at each place to hashes of `length` units at the first `count` places. */
function widen(from: i32, count: i32): void {
  while (from < length) {
    const step = min(from, length - from);
    from += step;
    join(step, count + length - from);
  }
}

/** Joins the hash at each of `count` places with the one `step` places later. */
function join(step: i32, count: i32): void {
  const factor1 = v128.load(HELD_FACTOR_1);
  const factor2 = v128.load(HELD_FACTOR_2);
  const factor3 = v128.load(HELD_FACTOR_3);
  const seed = v128.load(HELD_SEED);
  const gap = (<usize>step) << 2;
  const last = HASHES + ((<usize>count) << 2);
  for (let place = HASHES; place < last; place += 16) {
    v128.store(place, mixed(v128.load(place), v128.load(place + gap), factor1, factor2, factor3, seed));
  }
}

/** The hashes of a tile go into the bins, or into the list for later rounds. */
function take(count: i32): void {
  tiles++;
  inTile = count;
  if (second) list(count);
  else dropHashes(count);
}

function dropHashes(count: i32): void {
  const scale = v128.load(HELD_BINS);
  const last = HASHES + ((<usize>count) << 2);
  for (let place = HASHES; place < last; place += 64) {
    put(place, v128.load(place), scale);
    put(place + 16, v128.load(place, 16), scale);
    put(place + 32, v128.load(place, 32), scale);
    put(place + 48, v128.load(place, 48), scale);
    if (place >= HASHES + LAG) {
      drop8(place - LAG);
      drop8(place - LAG + 32);
    }
  }
  dropLast(HASHES, last);
}

/** Four hashes to be dropped: the upper half of a hash, seen as a fraction, says which bin. */
function put(target: usize, hashes: v128, scale: v128): void {
  v128.store(target, hashes);
  v128.store(target, i32x4.dot_i16x8_s(hashes, scale), PRODUCTS);
}

/** Drops what the loops before have left over, from `first` to `last`. */
function dropLast(first: usize, last: usize): void {
  // eight at a time go beyond the end: the last hash once more changes no minimum
  repeat(last);
  repeat(last + PRODUCTS);
  const size = (last - first + 63) & ~63;
  for (let place = first + (size > LAG ? size - LAG : 0); place < last; place += 32) drop8(place);
}

/** Writes the number before `end` eight times behind it. */
function repeat(end: usize): void {
  const number = v128.load32_splat(end - 4);
  v128.store(end, number);
  v128.store(end, number, 16);
}

function drop8(place: usize): void {
  drop4(place);
  drop4(place + 16);
}

function drop4(place: usize): void {
  lower(load<u16>(place, PRODUCTS + 2), load<u32>(place));
  lower(load<u16>(place, PRODUCTS + 6), load<u32>(place, 4));
  lower(load<u16>(place, PRODUCTS + 10), load<u32>(place, 8));
  lower(load<u16>(place, PRODUCTS + 14), load<u32>(place, 12));
}

/** Without a branch: whether a hash is the least of its bin cannot be predicted. */
function lower(bin: u32, hash: u32): void {
  const at = (<usize>bin) << 2;
  store<u32>(at, min(load<u32>(at, LOWER), hash), LOWER);
}

function emptyBins(): void {
  const values = i32x4.splat(EMPTY);
  const last = LOWER + ((<usize>bins >> 1) << 2);
  for (let bin = LOWER; bin <= last; bin += 16) v128.store(bin, values);
  // downwards: what lies behind the last bin stays 0, and so counts as filled
  const first = UPPER_END - (((<usize>bins + 1) >> 1) << 2);
  for (let end = UPPER_END; end > first; end -= 16) v128.store(end - 16, values);
}

/** Brings the two halves together. */
function collect(table: usize): void {
  const size = (<usize>bins) << 2;
  const middle = (<usize>bins >> 1) << 2;
  const upper = UPPER_END - size;
  for (let bin: usize = 0; bin < middle; bin += 16) v128.store(table + bin, v128.load(LOWER + bin));
  for (let bin = middle; bin < size; bin += 16) v128.store(table + bin, v128.load(upper + bin));
  store<u32>(table + middle, min(load<u32>(LOWER + middle), load<u32>(upper + middle)));
}

/** Adds the hashes of a tile to LIST; when too many differ, they have their rounds, and the list begins anew. */
function list(count: i32): void {
  memory.copy(LIST + ((<usize>listed) << 2), HASHES, (<usize>count) << 2);
  listed = distinct(LIST, listed + count);
  if (listed <= TILE) return;
  laterRounds(LIST, listed);
  listed = 0;
}

/**
 * Drops repeated hashes and returns how many are left. A hash that finds no place near its own is kept: a repeated one
 * does no harm, and a document made for collisions costs no time.
 */
function distinct(hashes: usize, count: i32): i32 {
  let slots: u32 = 64;
  while (slots < (<u32>count) << 1) slots <<= 1;
  memory.fill(SEEN, 0, (<usize>slots) << 2);
  const first = hashes;
  let target = hashes;
  for (const last = hashes + ((<usize>count) << 2); hashes < last; hashes += 4) {
    const hash = load<u32>(hashes);
    let found: u32 = EMPTY;
    for (let probe: u32 = 0; probe < 8; probe++) {
      const slot = SEEN + ((<usize>((hash + probe) & (slots - 1))) << 2);
      found = load<u32>(slot);
      if (found === hash) break;
      if (found === 0) {
        store<u32>(slot, hash);
        break;
      }
    }
    // an empty slot looks like the hash 0, which is kept every time
    if (found === hash && hash !== 0) continue;
    store<u32>(target, hash);
    target += 4;
  }
  v128.store(target, v128.load32_splat(target - 4));
  return <i32>((target - first) >> 2);
}

/** Writes which bins round 0 has filled; whether there are others. */
function beginLaterRounds(): bool {
  const empty = i32x4.splat(EMPTY);
  let any = i32x4.splat(0);
  const size = (<usize>bins) << 2;
  for (let bin: usize = 0; bin < size; bin += 16) {
    const open = i32x4.eq(v128.load(SIGNATURE + bin), empty);
    v128.store(ROUNDS + bin, open);
    any = v128.or(any, open);
  }
  return v128.any_true(any);
}

/** Rounds 1 and later on these hashes, until nothing that they could lower is left. */
function laterRounds(hashes: usize, count: i32): void {
  for (let round: u32 = 1; round < bins; round++) {
    if (round === DISTINCT_FROM) count = distinct(hashes, count);
    emptyBins();
    dropRound(hashes, count, round);
    collect(LEAST);
    if (!settle(round)) return;
  }
  for (let bin: u32 = 0; bin < bins; bin++) {
    if (load<u32>(ROUNDS + ((<usize>bin) << 2)) >= bins + bin) fillBin(hashes, count, bin);
  }
}

/** Drops these hashes, remixed for a round. */
function dropRound(hashes: usize, count: i32, round: u32): void {
  const start = roundStart(round);
  const factor2 = v128.load(HELD_FACTOR_2);
  const factor3 = v128.load(HELD_FACTOR_3);
  const scale = v128.load(HELD_BINS);
  for (; count > 0; count -= TILE) {
    const last = REMIXED + ((<usize>min(count, TILE)) << 2);
    for (let place = REMIXED; place < last; place += 64) {
      put(place, finished(i32x4.add(v128.load(hashes), start), factor2, factor3), scale);
      put(place + 16, finished(i32x4.add(v128.load(hashes, 16), start), factor2, factor3), scale);
      put(place + 32, finished(i32x4.add(v128.load(hashes, 32), start), factor2, factor3), scale);
      put(place + 48, finished(i32x4.add(v128.load(hashes, 48), start), factor2, factor3), scale);
      if (place >= REMIXED + LAG) {
        drop8(place - LAG);
        drop8(place - LAG + 32);
      }
      hashes += 64;
    }
    dropLast(REMIXED, last);
  }
}

/** What round `round` found goes where no earlier one did; whether some bin awaits a later round. */
function settle(round: u32): bool {
  const empty = i32x4.splat(EMPTY);
  const now = i32x4.splat(round);
  let any = i32x4.splat(0);
  const size = (<usize>bins) << 2;
  for (let bin: usize = 0; bin < size; bin += 16) {
    const least = v128.load(LEAST + bin);
    const before = v128.load(ROUNDS + bin);
    const won = v128.andnot(i32x4.gt_u(before, now), i32x4.eq(least, empty));
    const rounds = v128.bitselect(now, before, won);
    const value = v128.bitselect(empty, v128.load(SIGNATURE + bin), won);
    const lowered = v128.bitselect(i32x4.min_u(value, least), value, i32x4.eq(rounds, now));
    v128.store(SIGNATURE + bin, lowered);
    v128.store(ROUNDS + bin, rounds);
    any = v128.or(any, i32x4.gt_u(rounds, now));
  }
  return v128.any_true(any);
}

/** Round `bins + bin`, in which every hash goes into the same bin. */
function fillBin(hashes: usize, count: i32, bin: u32): void {
  const round = bins + bin;
  const start = roundStart(round);
  const factor2 = v128.load(HELD_FACTOR_2);
  const factor3 = v128.load(HELD_FACTOR_3);
  let least = i32x4.splat(EMPTY);
  for (const last = hashes + ((<usize>count) << 2); hashes < last; hashes += 16) {
    least = i32x4.min_u(least, finished(i32x4.add(v128.load(hashes), start), factor2, factor3));
  }
  least = i32x4.min_u(least, i64x2.shuffle(least, least, 1, 0));
  least = i32x4.min_u(least, i32x4.shuffle(least, least, 1, 0, 3, 2));
  const value = <u32>i32x4.extract_lane(least, 0);
  if (value === EMPTY) return;
  const at = (<usize>bin) << 2;
  const before = load<u32>(ROUNDS + at) === round ? load<u32>(SIGNATURE + at) : EMPTY;
  store<u32>(SIGNATURE + at, min(before, value));
  store<u32>(ROUNDS + at, round);
}

/** `mixed` in two halves, the first for a number that is the same for all hashes. */
function roundStart(round: u32): v128 {
  const x = round * FACTOR_1;
  return i32x4.splat((x ^ (x >> 16)) + SEED);
}

function mixed(a: v128, b: v128, factor1: v128, factor2: v128, factor3: v128, seed: v128): v128 {
  return finished(i32x4.add(i32x4.add(spread(a, factor1), seed), b), factor2, factor3);
}

function spread(number: v128, factor1: v128): v128 {
  const x = i32x4.mul(number, factor1);
  return v128.xor(x, i32x4.shr_u(x, 16));
}

function finished(sum: v128, factor2: v128, factor3: v128): v128 {
  const x = i32x4.mul(sum, factor2);
  const y = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 15)), factor3);
  return v128.xor(y, i32x4.shr_u(y, 15));
}
