/**
 * The hash of every shingle of five bytes and nothing else, in two forms; bench/minhash.bench.ts compiles it and compares
 * with it. Both keep their constants in registers, which V8 does only for what is loaded, and so run as fast as the machine
 * allows.
 */

const TILE: usize = 0x2000;

export function prepare(): void {
  v128.store(0x00, i32x4.splat(0x9e37_79b1));
  v128.store(0x10, i32x4.splat(0x21f0_aaad));
  v128.store(0x20, i32x4.splat(0xd35a_2d97));
  v128.store(0x30, i32x4.splat(0x5384_540f));
  v128.store(0x40, i32x4(0x0302_0100, 0x0403_0201, 0x0504_0302, 0x0605_0403));
  v128.store(0x50, i32x4(0xffff_ff04, 0xffff_ff05, 0xffff_ff06, 0xffff_ff07));
}

/** As in minhash.as.ts, three multiplications. Writes the hashes over each other, a tile of 8 KiB at `target`. */
export function hashAll(text: usize, bytes: i32, target: usize): void {
  const factor1 = v128.load(0x00);
  const factor2 = v128.load(0x10);
  const factor3 = v128.load(0x20);
  const seed = v128.load(0x30);
  const low = v128.load(0x40);
  const high = v128.load(0x50);
  const end = text + bytes - 4;
  while (text < end) {
    const last = target + min((end - text) << 2, TILE);
    for (let place = target; place < last; place += 16) {
      const window = v128.load(text);
      const a = i32x4.mul(i8x16.relaxed_swizzle(window, low), factor1);
      const b = i32x4.add(v128.xor(a, i32x4.shr_u(a, 16)), i32x4.add(seed, i8x16.relaxed_swizzle(window, high)));
      const c = i32x4.mul(b, factor2);
      const d = i32x4.mul(v128.xor(c, i32x4.shr_u(c, 15)), factor3);
      v128.store(place, v128.xor(d, i32x4.shr_u(d, 15)));
      text += 4;
    }
  }
}

/**
 * The work of the hash that a study measured: both words of a shingle multiplied, then a full finalizer, four
 * multiplications in all. Which factors they are takes no time.
 */
export function hashAllStudied(text: usize, bytes: i32, target: usize): void {
  const factor1 = v128.load(0x00);
  const factor2 = v128.load(0x10);
  const factor3 = v128.load(0x20);
  const seed = v128.load(0x30);
  const low = v128.load(0x40);
  const high = v128.load(0x50);
  const end = text + bytes - 4;
  while (text < end) {
    const last = target + min((end - text) << 2, TILE);
    for (let place = target; place < last; place += 16) {
      const window = v128.load(text);
      const a = i32x4.mul(i8x16.relaxed_swizzle(window, low), factor1);
      const b = i32x4.mul(i32x4.add(seed, i8x16.relaxed_swizzle(window, high)), factor2);
      const c = i32x4.add(a, b);
      const d = i32x4.mul(v128.xor(c, i32x4.shr_u(c, 15)), factor3);
      const e = i32x4.mul(v128.xor(d, i32x4.shr_u(d, 12)), factor1);
      v128.store(place, v128.xor(e, i32x4.shr_u(e, 15)));
      text += 4;
    }
  }
}
