/**
 * Whole numbers of few bits together and apart again, rows padded with zeros to whole bytes: part of quantize.as.ts. Eight
 * numbers of `bits` bits are `bits` bytes, so that they are put together in one register. Stores reach up to 16 bytes
 * beyond what they give: the next ones overwrite that, and the host leaves room. Those that take apart answer with
 * something other than 0 where the input is nothing that `pack` gives.
 */

/** Bytes below 2^bits, `bits` 1..7. */
export function pack8(source: usize, rows: usize, columns: usize, bits: u32, target: usize): void {
  const bytes = (columns * bits + 7) >> 3;
  for (; rows > 0; rows--) {
    let to = target;
    for (let many = columns >> 3; many > 0; many--) {
      store<u64>(to, together8(load<u64>(source), bits));
      source += 8;
      to += bits;
    }
    const left = columns & 7;
    if (left > 0) store<u64>(to, together8(load<u64>(source) & lowBits((left as u32) << 3), bits));
    source += left;
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

export function unpack8(source: usize, rows: usize, columns: usize, bits: u32, target: usize): u64 {
  const bytes = (columns * bits + 7) >> 3;
  let wrong: u64 = 0;
  for (; rows > 0; rows--) {
    let from = source;
    for (let many = columns >> 3; many > 0; many--) {
      store<u64>(target, apart8(load<u64>(from), bits));
      from += bits;
      target += 8;
    }
    const left = (columns & 7) as u32;
    if (left > 0) {
      const rest = load<u64>(from) & lowBits(((source + bytes - from) as u32) << 3);
      wrong |= rest >> (left * bits);
      store<u64>(target, apart8(rest, bits));
      target += left;
    }
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

function apart8(packed: u64, bits: u32): u64 {
  const kept = lowBits(bits) * 0x0001000100010001;
  const pairs = apart4(packed, bits << 1);
  return (pairs & kept) | (((pairs >> bits) & kept) << 8);
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
