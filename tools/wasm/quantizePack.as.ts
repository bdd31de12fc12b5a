/**
 * Whole numbers of few bits together and apart again, rows padded with zeros to whole bytes: part of quantize.as.ts. Eight
 * numbers of `bits` bits are `bits` bytes, so that they are put together in one register. Stores reach up to 16 bytes
 * beyond what they give: the next ones overwrite that, and the host leaves room. Those that take apart answer with
 * something other than 0 where the input is nothing that `pack` gives.
 */

/** Bytes below 2^bits, `bits` 1..7. */
export function pack8(source: usize, rows: usize, columns: usize, bits: u32, target: usize): void {
  const bytes = (columns * bits + 7) >> 3;
  const lower = i16x8.splat(0xff);
  const factor = i16x8.splat(1 << (bits as i16));
  const factors = i32x4.splat(1 | (1 << (16 + (bits << 1))));
  const words = i64x2.splat(0xffffffff);
  for (; rows > 0; rows--) {
    let to = target;
    for (let many = columns >> 4; many > 0; many--) {
      const codes = v128.load(source);
      const pairs = v128.or(v128.and(codes, lower), i16x8.mul(i16x8.shr_u(codes, 8), factor));
      const fours = i32x4.dot_i16x8_s(pairs, factors);
      const eights = v128.or(v128.and(fours, words), i64x2.shl(i64x2.shr_u(fours, 32), (bits << 2) as i32));
      v128.store64_lane(to, eights, 0);
      v128.store64_lane(to + bits, eights, 1);
      source += 16;
      to += bits << 1;
    }
    for (let left = (columns & 15) as u32; left > 0; ) {
      const some = min<u32>(left, 8);
      const codes = some < 8 ? load<u64>(source) & lowBits(some << 3) : load<u64>(source);
      store<u64>(to, together8(codes, bits));
      source += some;
      to += bits;
      left -= some;
    }
    target += bytes;
  }
}

/** 16-bit numbers below 2^bits, `bits` 9..15. */
export function pack16(source: usize, rows: usize, columns: usize, bits: u32, target: usize): void {
  const bytes = (columns * bits + 7) >> 3;
  for (; rows > 0; rows--) {
    let to = target;
    for (let many = columns >> 3; many > 0; many--) {
      store16(to, together4(load<u64>(source), bits), together4(load<u64>(source, 8), bits), bits);
      source += 16;
      to += bits;
    }
    const left = (columns & 7) as u32;
    if (left > 0) {
      const first = left < 4 ? load<u64>(source) & lowBits(left << 4) : load<u64>(source);
      const second = left > 4 ? load<u64>(source, 8) & lowBits((left - 4) << 4) : 0;
      store16(to, together4(first, bits), together4(second, bits), bits);
    }
    source += left << 1;
    target += bytes;
  }
}

/** Bytes 0..2, five to a byte. No sum within a lower byte of the product reaches 256. */
export function packTrits(source: usize, rows: usize, columns: usize, target: usize): void {
  const weights: u64 = 81 | (27 << 8) | (9 << 16) | (3 << 24) | (1 << 32);
  for (; rows > 0; rows--) {
    for (let many = columns / 5; many > 0; many--) {
      store<u8>(target, ((load<u64>(source) & 0xffffffffff) * weights) >> 32);
      source += 5;
      target++;
    }
    const left = columns % 5;
    if (left > 0) {
      store<u8>(target, ((load<u64>(source) & lowBits((left as u32) << 3)) * weights) >> 32);
      source += left;
      target++;
    }
  }
}

/**
 * Each number is taken out of the two bytes that hold it: a product brings its highest bit to the top of 16, a shift brings
 * it down. `table` has room for 32 bytes.
 */
export function unpack8(source: usize, rows: usize, columns: usize, bits: u32, table: usize, target: usize): u64 {
  const bytes = (columns * bits + 7) >> 3;
  for (let i: u32 = 0; i < 8; i++) {
    const first = (i * bits) >> 3;
    store<u16>(table + (i << 1), first | ((first + 1) << 8));
    store<u16>(table + 16 + (i << 1), 1 << ((16 - bits - ((i * bits) & 7)) as u16));
  }
  const places = v128.load(table);
  const factors = v128.load(table, 16);
  const down = (16 - bits) as i32;
  let wrong: u64 = 0;
  for (; rows > 0; rows--) {
    let from = source;
    for (let many = columns >> 4; many > 0; many--) {
      const low = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v128.load64_zero(from), places), factors), down);
      const high = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v128.load64_zero(from + bits), places), factors), down);
      v128.store(target, i8x16.narrow_i16x8_u(low, high));
      from += bits << 1;
      target += 16;
    }
    for (let left = (columns & 15) as u32; left > 0; ) {
      const some = min<u32>(left, 8);
      const numbers = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v128.load64_zero(from), places), factors), down);
      v128.store64_lane(target, i8x16.narrow_i16x8_u(numbers, numbers), 0);
      from += bits;
      target += some;
      left -= some;
    }
    const used = ((columns * bits) & 7) as u32;
    if (used > 0) wrong |= (load<u8>(source + bytes - 1) >> used) as u64;
    source += bytes;
  }
  return wrong;
}

export function unpack16(source: usize, rows: usize, columns: usize, bits: u32, target: usize): u64 {
  const bytes = (columns * bits + 7) >> 3;
  let wrong: u64 = 0;
  for (; rows > 0; rows--) {
    let from = source;
    let to = target;
    for (let left = columns as i32; left > 0; left -= 8) {
      const first = load<u64>(from) & lowBits(bits << 2);
      // of the second four: 4 * bits bits, which begin within a byte where `bits` is odd
      const second = (load<u64>(from + (bits >> 1)) >> ((bits & 1) << 2)) & lowBits(bits << 2);
      store<u64>(to, apart4(first, bits));
      store<u64>(to, apart4(second, bits), 8);
      from += bits;
      to += 16;
    }
    const used = ((columns * bits) & 7) as u32;
    if (used > 0) wrong |= (load<u8>(source + bytes - 1) >> used) as u64;
    target += columns << 1;
    source += bytes;
  }
  return wrong;
}

/** For each byte the five bytes of its trits, and in those above them what is no byte of five trits. */
export function tritTable(table: usize): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let rest = byte;
    let trits: u64 = 0;
    for (let i: u32 = 0; i < 5; i++) {
      trits |= ((rest % 3) as u64) << (i << 3);
      rest /= 3;
    }
    store<u64>(table + (byte << 3), trits | ((rest as u64) << 40));
  }
}

export function unpackTrits(source: usize, rows: usize, columns: usize, table: usize, target: usize): u64 {
  let wrong: u64 = 0;
  for (; rows > 0; rows--) {
    for (let many = columns / 5; many > 0; many--) {
      const trits = load<u64>(table + ((load<u8>(source) as usize) << 3));
      wrong |= trits >> 40;
      store<u64>(target, trits);
      source++;
      target += 5;
    }
    const left = columns % 5;
    if (left > 0) {
      const trits = load<u64>(table + ((load<u8>(source) as usize) << 3));
      wrong |= trits >> ((left as u64) << 3);
      store<u64>(target, trits);
      source++;
      target += left;
    }
  }
  return wrong;
}

/** `bits` is below 64. */
function lowBits(bits: u32): u64 {
  return ((1 as u64) << bits) - 1;
}

function together8(bytes: u64, bits: u32): u64 {
  const kept = (0x00ff00ff as u64) * 0x100000001;
  const pairs = (bytes & kept) | (((bytes >> 8) & kept) << bits);
  return together4(pairs, bits << 1);
}

/** Four 16-bit numbers, one behind the other. */
function together4(halves: u64, bits: u32): u64 {
  const pairs = (halves & 0x0000ffff0000ffff) | (((halves >> 16) & 0x0000ffff0000ffff) << bits);
  return (pairs & 0xffffffff) | ((pairs >> 32) << (bits << 1));
}

function apart4(packed: u64, bits: u32): u64 {
  const half = lowBits(bits << 1);
  const pairs = (packed & half) | (((packed >> (bits << 1)) & half) << 32);
  const kept = lowBits(bits) * 0x0000000100000001;
  return (pairs & kept) | (((pairs >> bits) & kept) << 16);
}

/** Two numbers of `4 * bits` bits, at most 60. */
function store16(target: usize, first: u64, second: u64, bits: u32): void {
  store<u64>(target, first | (second << (bits << 2)));
  store<u64>(target, second >> (64 - (bits << 2)), 8);
}
