/**
 * Cuts a strip of pixels into square patches, and takes the entropy of each, in AssemblyScript; `build.mjs` compiles it,
 * src/operators/pretokenize/image/patches.ts drives it.
 *
 * A histogram is counted in four parts, one for each of four neighbouring bytes: pictures repeat themselves, and an
 * increment of what was just incremented waits for it. Parts of a patch of up to `NARROW` bytes fit a byte each.
 */

/** Four histograms of 256 bytes, or one of 256 u32. */
const COUNTS: usize = 0;
const COUNTS_BYTES: usize = 1024;
/** Bytes of a patch of which no part counts beyond 255. */
const NARROW: i32 = 1020;

/**
 * Patches of `rows` rows of `row` bytes, `step` bytes apart in rows of `pitch` bytes, one after the other; and for each the
 * entropy of its bytes in bits, where `entropies` is no null.
 *
 * @param table f64 n * log2(n) for each n up to the bytes of a patch
 * @param top f64 entropy of as many bytes that all differ, which is log2 of their number
 */
export function cut(
  pixels: usize,
  pitch: usize,
  step: usize,
  count: i32,
  row: i32,
  rows: i32,
  out: usize,
  entropies: usize,
  table: usize,
  top: f64,
): void {
  const bytes = row * rows;
  for (let patch = 0; patch < count; patch++) {
    if (row === 48) copy48(pixels, pitch, rows, out);
    else copy(pixels, pitch, row, rows, out);
    if (entropies !== 0) {
      const sum = bytes <= NARROW ? narrow(out, bytes, table) : wide(out, bytes, table);
      f64.store(entropies, top - sum / <f64>bytes);
      entropies += 8;
    }
    out += bytes;
    pixels += step;
  }
}

function copy48(from: usize, pitch: usize, rows: i32, to: usize): void {
  for (let y = 0; y < rows; y++) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    from += pitch;
    to += 48;
  }
}

function copy(from: usize, pitch: usize, row: i32, rows: i32, to: usize): void {
  for (let y = 0; y < rows; y++) {
    let at: i32 = 0;
    for (; at + 16 <= row; at += 16) v128.store(to + at, v128.load(from + at));
    for (; at < row; at++) store<u8>(to + at, load<u8>(from + at));
    from += pitch;
    to += row;
  }
}

function clear(): void {
  const zero = i32x4.splat(0);
  for (let at = COUNTS; at < COUNTS + COUNTS_BYTES; at += 64) {
    v128.store(at, zero);
    v128.store(at, zero, 16);
    v128.store(at, zero, 32);
    v128.store(at, zero, 48);
  }
}

function narrow(from: usize, bytes: i32, table: usize): f64 {
  clear();
  const end = from + (bytes & ~3);
  const last = from + bytes;
  for (; from < end; from += 4) {
    const four = load<u32>(from);
    const first = <usize>(four & 0xff);
    store<u8>(first, load<u8>(first) + 1);
    const second = <usize>((four >> 8) & 0xff);
    store<u8>(second, load<u8>(second, 256) + 1, 256);
    const third = <usize>((four >> 16) & 0xff);
    store<u8>(third, load<u8>(third, 512) + 1, 512);
    const fourth = <usize>(four >> 24);
    store<u8>(fourth, load<u8>(fourth, 768) + 1, 768);
  }
  for (let part: usize = 0; from < last; from++) {
    const at = part + load<u8>(from);
    store<u8>(at, load<u8>(at) + 1);
    part = (part + 256) & 1023;
  }
  let a: f64 = 0;
  let b: f64 = 0;
  for (let at: usize = COUNTS; at < COUNTS + 256; at += 8) {
    // sums of four bytes fit 16 bits
    const sums = i16x8.add(
      i16x8.add(v128.load_ext<u8>(at), v128.load_ext<u8>(at, 256)),
      i16x8.add(v128.load_ext<u8>(at, 512), v128.load_ext<u8>(at, 768)),
    );
    if (!v128.any_true(sums)) continue;
    a += term(table, i16x8.extract_lane_u(sums, 0));
    b += term(table, i16x8.extract_lane_u(sums, 1));
    a += term(table, i16x8.extract_lane_u(sums, 2));
    b += term(table, i16x8.extract_lane_u(sums, 3));
    a += term(table, i16x8.extract_lane_u(sums, 4));
    b += term(table, i16x8.extract_lane_u(sums, 5));
    a += term(table, i16x8.extract_lane_u(sums, 6));
    b += term(table, i16x8.extract_lane_u(sums, 7));
  }
  return a + b;
}

function wide(from: usize, bytes: i32, table: usize): f64 {
  clear();
  for (const last = from + bytes; from < last; from++) {
    const at = COUNTS + ((<usize>load<u8>(from)) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  let sum: f64 = 0;
  for (let at: usize = COUNTS; at < COUNTS + COUNTS_BYTES; at += 4) sum += term(table, load<u32>(at));
  return sum;
}

/** n * log2(n). */
function term(table: usize, count: u32): f64 {
  return f64.load(table + ((<usize>count) << 3));
}
