/**
 * Signs of dot products in AssemblyScript; `build.mjs` compiles it, src/lsh/projector.ts drives it.
 *
 * Normals of sixteen hyperplanes lie together: for each dimension their sixteen values. So a value of a vector meets four
 * vectors of normals, sums grow in order of the dimensions, each in a lane of its own, and the signs of sixteen sums are one
 * word of the signature. The order of a sum depends on nothing else: not on the vectors that are projected together.
 */

/** Bytes of the normals for one dimension, and of the word that comes of them. */
const NORMALS: usize = 64;
const WORD: usize = 2;

/** Signatures of `words` 16-bit words for `vectors` vectors of `dim` f32, one after the other. */
export function project(normals: usize, vectors: usize, count: i32, dim: i32, words: i32, signatures: usize): void {
  const bytes = (<usize>dim) << 2;
  const step = <usize>words * WORD;
  for (let word = 0; word < words; word++) {
    let vector = vectors;
    let out = signatures + <usize>word * WORD;
    let left = count;
    for (; left >= 3; left -= 3) {
      three(normals, vector, bytes, out, step);
      vector += 3 * bytes;
      out += 3 * step;
    }
    for (; left > 0; left--) {
      one(normals, vector, bytes, out);
      vector += bytes;
      out += step;
    }
    normals += <usize>dim * NORMALS;
  }
}

function signs(a: v128, b: v128, c: v128, d: v128): i32 {
  return i32x4.bitmask(a) | (i32x4.bitmask(b) << 4) | (i32x4.bitmask(c) << 8) | (i32x4.bitmask(d) << 12);
}

function one(normals: usize, vector: usize, bytes: usize, out: usize): void {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  for (const end = vector + bytes; vector < end; vector += 4) {
    const x = v128.load32_splat(vector);
    a = f32x4.add(a, f32x4.mul(x, v128.load(normals)));
    b = f32x4.add(b, f32x4.mul(x, v128.load(normals, 16)));
    c = f32x4.add(c, f32x4.mul(x, v128.load(normals, 32)));
    d = f32x4.add(d, f32x4.mul(x, v128.load(normals, 48)));
    normals += NORMALS;
  }
  store<u16>(out, signs(a, b, c, d));
}

function three(normals: usize, vector: usize, bytes: usize, out: usize, step: usize): void {
  let a0 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let d2 = f32x4.splat(0);
  const second = vector + bytes;
  const third = second + bytes;
  for (let at: usize = 0; at < bytes; at += 4) {
    const x0 = v128.load32_splat(vector + at);
    const x1 = v128.load32_splat(second + at);
    const x2 = v128.load32_splat(third + at);
    let n = v128.load(normals);
    a0 = f32x4.add(a0, f32x4.mul(x0, n));
    a1 = f32x4.add(a1, f32x4.mul(x1, n));
    a2 = f32x4.add(a2, f32x4.mul(x2, n));
    n = v128.load(normals, 16);
    b0 = f32x4.add(b0, f32x4.mul(x0, n));
    b1 = f32x4.add(b1, f32x4.mul(x1, n));
    b2 = f32x4.add(b2, f32x4.mul(x2, n));
    n = v128.load(normals, 32);
    c0 = f32x4.add(c0, f32x4.mul(x0, n));
    c1 = f32x4.add(c1, f32x4.mul(x1, n));
    c2 = f32x4.add(c2, f32x4.mul(x2, n));
    n = v128.load(normals, 48);
    d0 = f32x4.add(d0, f32x4.mul(x0, n));
    d1 = f32x4.add(d1, f32x4.mul(x1, n));
    d2 = f32x4.add(d2, f32x4.mul(x2, n));
    normals += NORMALS;
  }
  store<u16>(out, signs(a0, b0, c0, d0));
  store<u16>(out + step, signs(a1, b1, c1, d1));
  store<u16>(out + 2 * step, signs(a2, b2, c2, d2));
}
