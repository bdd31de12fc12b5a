import { SluiceError } from '../../errors.ts';
import { rawBytes } from './raw.ts';
import { eachSpan, groupsIn, type LinearSpec, partsOf, rowBytesOf, stepBytesOf } from './spec.ts';
import { openWindow, places, type Window } from './window.ts';

const TWO_TO_23 = 2 ** 23;

/** What {@link encodeLinear} gave, as float32. @throws SluiceError `QUANTIZE_CODE` */
export function decodeLinear(
  spec: LinearSpec,
  encoded: readonly Uint8Array[],
  into?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const { form } = spec;
  const { columns } = form;
  const rows = requireParts(spec, encoded);
  const [codes = new Uint8Array(), ...others] = encoded;
  const rowBytes = rowBytesOf(form);
  const values = into ?? new Float32Array(rawBytes(4 * rows * columns).buffer);
  if (values.length !== rows * columns)
    throw new RangeError(`${values.length} numbers to write to, and not ${rows * columns}.`);
  const window = openWindow();
  const { bytes, floats } = window;
  const decodeSpan = (row: number, some: number, column: number, width: number): boolean => {
    const from = row * rowBytes + (column === 0 ? 0 : rowBytesOf({ ...form, columns: column }));
    const length = some === 1 ? rowBytesOf({ ...form, columns: width }) : some * rowBytes;
    bytes.set(codes.subarray(from, from + length), places.packed);
    const [first, count] = groupsIn(form, row, some, column, width);
    if (!placeScales(spec, window, others, first, count, column, width) || !valuesOf(spec, window, some, width))
      return false;
    const start = places.floats / 4;
    values.set(floats.subarray(start, start + some * width), row * columns + column);
    return true;
  };
  eachSpan(spec, rows, (row, some, column, width) => {
    if (decodeSpan(row, some, column, width)) return;
    let wrong = row;
    while (wrong < row + some - 1 && decodeSpan(wrong, 1, column, width)) wrong++;
    throw badCode(`row ${wrong} holds something that encoding never gives`);
  });
  return values;
}

/** How many rows there are. @throws SluiceError `QUANTIZE_CODE` */
function requireParts(spec: LinearSpec, encoded: readonly Uint8Array[]): number {
  const parts = partsOf(spec);
  if (encoded.length !== parts.length) {
    throw badCode(`${encoded.length} parts, and there should be ${parts.map(({ name }) => name).join(', ')}`);
  }
  const rows = (encoded[0]?.length ?? 0) / (parts[0]?.rowBytes ?? 1);
  for (const [i, { name, rowBytes }] of parts.entries()) {
    const length = encoded[i]?.length ?? 0;
    if (length !== rowBytes * Math.floor(rows)) {
      throw badCode(`${name} has ${length} bytes, which is not ${rowBytes} for each of ${Math.floor(rows)} rows`);
    }
  }
  return rows;
}

/** Puts scales and codes of zero where the kernels look for them. False for what encoding never gives. */
function placeScales(
  { form, steps, zeros, fixed, codes }: LinearSpec,
  { kernels, bytes, words, floats }: Window,
  [scales = new Uint8Array(), zeroBytes = new Uint8Array()]: readonly Uint8Array[],
  first: number,
  count: number,
  column: number,
  width: number,
): boolean {
  if (steps === undefined) {
    const isColumn = form.group === 'column';
    const flip = codes === 'I8' ? 128 : 0;
    for (let i = 0; i < (isColumn ? width : 1); i++) {
      const zero = fixed?.zeros[column + i] ?? 0;
      floats[places.inverses / 4 + i] = fixed?.scales[isColumn ? column + i : 0] ?? 0;
      if (isColumn) floats[places.zeros / 4 + i] = TWO_TO_23 + form.bias + flip + zero;
      else words[places.zeros / 4] = fixed?.zeros[0] ?? 0;
    }
    return true;
  }
  const size = stepBytesOf(steps);
  const kept = scales.subarray(first * size, (first + count) * size);
  bytes.set(kept, size === 2 ? places.stored : places.inverses);
  const wrong =
    size === 2 ? kernels.halves(places.stored, count, places.inverses) : kernels.floats(places.inverses, count);
  if (wrong !== 0) return false;
  if (zeros === undefined) return true;
  for (let i = 0; i < count; i++) {
    const byte = zeroBytes[first + i] ?? 0;
    const zero = zeros === 'I8' ? (byte << 24) >> 24 : byte;
    if (zero < form.low || zero > form.high) return false;
    words[places.zeros / 4 + i] = zero;
  }
  return true;
}

/** Values of the codes in the window. False for what encoding never gives. */
function valuesOf(spec: LinearSpec, { kernels }: Window, rows: number, columns: number): boolean {
  const { form, codes, zeros, divisor, fixed } = spec;
  const { packing, bits, middle } = form;
  const { packed, inverses, floats } = places;
  if (packing === 'signs') return kernels.signValues(packed, rows, columns, inverses, floats) === 0;
  const isPacked = packing === 'bits' && (bits === 8 || bits === 16);
  const source = isPacked ? packed : places.codes;
  let wrong = 0n;
  if (packing === 'trits') wrong = kernels.unpackTrits(packed, rows, columns, places.trits, source);
  else if (!isPacked && bits > 8) wrong = kernels.unpack16(packed, rows, columns, bits, source);
  else if (!isPacked) wrong = kernels.unpack8(packed, rows, columns, bits, places.table, source);
  if (wrong !== 0n) return false;
  const flip = codes === 'I8' ? 128 : 0;
  const bias = form.bias + flip;
  const [least, most] = [form.low + bias, form.high + bias];
  if (form.group === 'column') {
    return kernels.columnValues(source, rows, columns, inverses, places.zeros, flip, least, floats) === 0;
  }
  const lines = form.group === 'tensor' ? 1 : rows;
  const width = form.group === 'tensor' ? rows * columns : columns;
  if (divisor !== undefined) {
    const quotients = bits > 8 ? kernels.quotients16 : kernels.quotients8;
    return quotients(source, lines, width, inverses, middle, bias, divisor, most, floats) === 0;
  }
  const block = form.group === 'block' ? Math.min(form.block, columns) : width;
  const zero = zeros === undefined && fixed === undefined ? 0 : places.zeros;
  // biome-ignore format: one call
  return kernels.values(source, lines, width, block, inverses, zero, bias, flip, least, most, floats) === 0;
}

function badCode(what: string): SluiceError {
  return new SluiceError(`quantized rows: ${what}`, {
    code: 'QUANTIZE_CODE',
    hint: 'they are of another scheme or another number of columns, or damaged',
  });
}
