import { toF16 } from '../../kernels/blocks/half.ts';
import { INT4_BLOCK, type PackedWeights, weightLayouts } from '../../kernels/weights/layout.ts';
import type { PackedRows } from '../quantized/codes.ts';
import { blockInputs, isBlocked, rowBytes, TRITS } from '../quantized/layout.ts';

/** Bytes of a file that a word of `ternary` holds. */
const WORD_BYTES = 4;
/** A byte whose five codes are 0. */
const ZEROS = 121;

/**
 * Rows of a quantized matrix in the layout of a GPU's `int8`, `int4` or `ternary` (see `WeightType`): the same codes and the
 * same scales, without a way through float32. What all rows share is given to each, and a block of 64 becomes two of 32.
 */
export function deviceWords(packed: PackedRows): PackedWeights {
  if (isBlocked(packed.type)) return nibbleWords(packed);
  const { rows, scales } = packed;
  const own = packed.type === 'int8' ? new Float32Array(rows).fill(scales[0] ?? 0) : scales.slice();
  const words = packed.type === 'ternary' ? tritWords(packed) : byteWords(packed);
  return { words, scales: new Uint32Array(own.buffer) };
}

/** Rows of whole words, filled up with `fill`. */
function padded({ type, inputs, rows, bytes }: PackedRows, words: number, fill = 0): Uint8Array<ArrayBuffer> {
  const width = rowBytes(type, inputs);
  const filled = new Uint8Array(4 * words * rows).fill(fill);
  for (let row = 0; row < rows; row++) {
    filled.set(bytes.subarray(row * width, (row + 1) * width), 4 * words * row);
  }
  return filled;
}

const byteWords = (packed: PackedRows): Uint32Array =>
  new Uint32Array(padded(packed, weightLayouts.int8.words(packed.inputs)).buffer);

function nibbleWords(packed: PackedRows): PackedWeights {
  const { type, inputs, rows, scales, minima } = packed;
  const words = new Uint32Array(padded(packed, weightLayouts.int4.words(inputs)).buffer);
  for (let i = 0; i < words.length; i++) {
    const codes = words[i] ?? 0;
    words[i] = spread(codes & 0xffff) | (spread(codes >>> 16) << 4);
  }
  const block = blockInputs(type, inputs);
  const [stored, blocks] = [Math.ceil(inputs / block), weightLayouts.int4.scales(inputs)];
  const lines = new Uint32Array(rows * blocks);
  for (let i = 0; i < lines.length; i++) {
    const from = Math.floor(i / blocks) * stored + Math.floor(((i % blocks) * INT4_BLOCK) / block);
    lines[i] = toF16(scales[from] ?? 0) | (toF16(minima?.[from] ?? 0) << 16);
  }
  return { words, scales: lines };
}

/** Four nibbles, one in each byte. */
function spread(nibbles: number): number {
  const pairs = (nibbles | (nibbles << 8)) & 0x00ff00ff;
  return (pairs | (pairs << 4)) & 0x0f0f0f0f;
}

function tritWords(packed: PackedRows): Uint32Array {
  const bytes = padded(packed, weightLayouts.ternary.words(packed.inputs), ZEROS);
  const words = new Uint32Array(bytes.length / WORD_BYTES);
  for (let word = 0; word < words.length; word++) {
    let numbers = 0;
    for (let byte = 0; byte < WORD_BYTES; byte++) {
      // a sum of numbers below 243 in each byte
      numbers += shares[byte * 256 + (bytes[word * WORD_BYTES + byte] ?? 0)] ?? 0;
    }
    words[word] =
      (fractions[numbers & 255] ?? 0) |
      ((fractions[(numbers >>> 8) & 255] ?? 0) << 8) |
      ((fractions[(numbers >>> 16) & 255] ?? 0) << 16) |
      ((fractions[numbers >>> 24] ?? 0) << 24);
  }
  return words;
}

/** What each byte of a file, in each place of a word, adds to the four numbers of five digits that a device reads. */
const shares = Uint32Array.from({ length: WORD_BYTES * 256 }, (_, i) => {
  const [place, byte] = [i >> 8, i & 255];
  let share = 0;
  for (let digit = 0; digit < TRITS; digit++) {
    const at = place * TRITS + digit;
    const value = Math.floor(byte / 3 ** digit) % 3;
    // the first digit of a number is its most significant one
    share += value * 3 ** (TRITS - 1 - (at >> 2)) * 2 ** (8 * (at & 3));
  }
  return share;
});

/** Five digits as a part of 256. */
const fractions = Uint8Array.from({ length: 256 }, (_, number) => Math.ceil((256 * number) / 243));
