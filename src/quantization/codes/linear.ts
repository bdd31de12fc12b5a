import type { Coder, Encoded } from '../scheme.ts';

/** Magnitudes below this are subnormal float32 numbers. They count as zeros, since GPUs take them for zeros. */
export const SMALLEST_NORMAL = 2 ** -126;

/**
 * The least step between two values. A group whose step would be smaller has the scale 0 and the code of zero throughout:
 * so `inverse` is at most 2^125, a subnormal number times `inverse` stays below a half, and devices that take it for zero
 * find the same code.
 */
export const LEAST_STEP = 2 ** -125;

/**
 * How numbers become codes, the same on every device. A group of numbers (a row, a block of a row, a column, or
 * everything) has an `inverse`, float32, and a `zero`, a whole number:
 *
 *     product = (x - middle) * inverse              one float32 subtraction, one float32 multiplication, no fma, no division
 *     code    = clip(round(product) + zero, low, high)
 *     stored  = code + bias                         modulo 2^bits
 *
 * `round` is half to even, or half away from zero: `t = trunc(product)`, and one away from it where
 * `abs(product - t) >= 0.5`. The product can be infinite or far beyond the range: clip it to `low - zero .. high - zero`
 * before it becomes an integer. With the packing `signs` there is no product: the bit is set where `x > -2^-126`.
 *
 * Stored numbers of a row are packed by themselves, first column first, and padded with zeros to whole bytes:
 *
 * - `bits`: a little-endian stream, the lowest bit of a number first: bit `i * bits` of the row is the lowest bit of column i
 * - `trits`: five to a byte, `s0 + 3 * s1 + 9 * s2 + 27 * s3 + 81 * s4`, with 0 for what the last byte lacks
 * - `signs`: as `bits` with one bit
 */
export interface LinearForm {
  readonly columns: number;
  /**
   * Whose numbers share `inverse` and `zero`: `block`s of a row, the last one perhaps shorter (a whole row where `block` is
   * `columns`), each column, or all rows. Groups of blocks are in row-major order.
   */
  readonly group: 'block' | 'column' | 'tensor';
  /** Columns of a block. */
  readonly block: number;
  /**
   * What decides `inverse` and `zero`: the largest magnitude of a group, its least and its largest value, the mean of its
   * magnitudes, a search for the least error over its values, or nothing in the rows: then {@link LinearCoder.fixed} has them.
   */
  readonly from: 'magnitude' | 'extremes' | 'mean' | 'search' | 'fixed';
  readonly middle: number;
  readonly low: number;
  readonly high: number;
  readonly bias: number;
  readonly rounding: 'even' | 'away';
  readonly packing: 'bits' | 'trits' | 'signs';
  /** 1 to 16; of no meaning with `trits`. */
  readonly bits: number;
}

/** `inverse` and `zero` of groups, and what the parts behind `codes` hold of them. */
export interface Groups {
  readonly inverses: Float32Array;
  readonly zeros: Int32Array;
  /** Bytes of the parts `scales` and `zeros`, as far as the scheme has them, in the order of `parts`. */
  readonly parts: Encoded;
}

/**
 * A coder whose codes can be made elsewhere, as on a GPU:
 *
 *     const groups = coder.fixed ?? coder.groupsFrom({ most });    // `most`: largest magnitudes, found by the device
 *     const codes = onDevice(rows, coder.linear, groups.inverses, groups.zeros);
 *     return [codes, ...groups.parts];                            // what coder.encode(rows) gives
 */
export interface LinearCoder extends Coder {
  readonly linear: LinearForm;
  /** @param into parts to write to, of the right lengths; made anew where they are left out */
  encode(rows: Float32Array, into?: Encoded): Encoded;
  /** @param into numbers to write to */
  decode(encoded: readonly Uint8Array[], into?: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
  /** Those of every encoding, where `linear.from` is `fixed`. */
  readonly fixed: Groups | undefined;
  /**
   * How codes become values: `(code - zero) * scale`, or with a `divisor` `code / divisor * scale + middle`, each float32;
   * `scales` where they are no part.
   */
  readonly values: { readonly divisor?: number | undefined; readonly scales?: Float32Array | undefined };
  /**
   * Groups out of what was found in rows. This is the one place that computes scales.
   *
   * @param found `most`: for `magnitude` the largest magnitude of every group, of `extremes` the largest value; `least`: for
   *   `extremes` the least value. Zero belongs to every group: a least value above 0 counts as 0. Subnormal numbers may
   *   come as zeros. NaN and infinities have to be found before, see {@link requireFinite}.
   * @throws SluiceError `QUANTIZE_VALUE` naming the row, for what the scales cannot hold
   * @throws RangeError where `linear.from` is none of the two
   */
  groupsFrom(found: { readonly most: Float32Array; readonly least?: Float32Array | undefined }): Groups;
  /** The same, found on the CPU; the only way for `mean` and `search`. @throws SluiceError `QUANTIZE_VALUE` */
  groupsOf(rows: Float32Array): Groups;
}

/** The coder as one whose codes can be made elsewhere, if it is one. */
export function linearCoderOf(coder: Coder): LinearCoder | undefined {
  return 'linear' in coder && 'groupsFrom' in coder ? (coder as LinearCoder) : undefined;
}
