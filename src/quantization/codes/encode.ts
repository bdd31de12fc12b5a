import type { Encoded } from '../scheme.ts';
import { requireFinite } from './finite.ts';
import { GroupStore, isInPieces, measureRow, requireSteps } from './groups.ts';
import { targetOf } from './raw.ts';
import { blocksOf, eachSpan, type LinearSpec, rowBytesOf, rowsOf } from './spec.ts';
import { MOST_GROUPS, openWindow, places, type Window } from './window.ts';

/** The bits of 1.5 * 2^23: see tools/wasm/quantize.as.ts. */
const MAGIC = 0x4b40_0000;

/** Encodes rows as {@link LinearForm} says. @throws SluiceError `QUANTIZE_VALUE` */
export function encodeLinear(spec: LinearSpec, values: Float32Array, into: Encoded = []): Encoded {
  const { form } = spec;
  const { columns } = form;
  const rows = rowsOf(values, columns);
  const rowBytes = rowBytesOf(form);
  const codes = targetOf(into[0], rows * rowBytes);
  const store = new GroupStore(spec, spec.steps === undefined ? 0 : rows * blocksOf(form), false, into.slice(1));
  const window = openWindow();
  const { bytes, floats } = window;
  placeFixed(spec, window, rows);
  const inPieces = isInPieces(spec);
  eachSpan(spec, rows, (row, some, column, width) => {
    if (inPieces && column === 0) measureRow(spec, store, values.subarray(row * columns, (row + 1) * columns), row);
    const from = row * columns + column;
    const count = some * width;
    floats.set(count === values.length ? values : values.subarray(from, from + count), places.floats / 4);
    if (!inPieces) {
      if (spec.steps !== undefined) requireSteps(spec, store, values, row, some, column, width);
      else if (!store.measure(some, width))
        requireFinite(values.subarray(row * columns, (row + some) * columns), columns, row);
    }
    if (form.group === 'column' && (row === 0 || width < columns)) placeColumns(spec, window, column, width);
    codesOf(spec, window, some, width);
    const last = some === 1 ? rowBytesOf({ ...form, columns: width }) : some * rowBytes;
    const to = row * rowBytes + (column === 0 ? 0 : rowBytesOf({ ...form, columns: column }));
    codes.set(bytes.subarray(places.packed, places.packed + last), to);
  });
  return [codes, ...store.parts];
}

/** Codes of what lies in the window, packed. */
function codesOf({ form, codes, zeros }: LinearSpec, { kernels }: Window, rows: number, columns: number): void {
  const { floats, inverses, packed } = places;
  const { packing, bits, low, high, middle } = form;
  if (packing === 'signs') {
    kernels.signs(floats, rows, columns, packed);
    return;
  }
  const isPacked = packing === 'bits' && (bits === 8 || bits === 16);
  const target = isPacked ? packed : places.codes;
  const block = form.group === 'block' ? Math.min(form.block, columns) : rows * columns;
  // one group of everything is one row
  const lines = form.group === 'tensor' ? 1 : rows;
  const width = form.group === 'tensor' ? rows * columns : columns;
  const flip = codes === 'I8' ? 128 : 0;
  const bias = form.bias + flip;
  const away = form.rounding === 'away' ? 1 : 0;
  // products of a group's own step stay below 2^15
  const isBounded = form.from !== 'fixed' && form.from !== 'mean' && away === 0;
  const own = zeros === undefined ? 0 : places.zeros;
  if (bits > 8) kernels.clippedCodes16(floats, lines, width, inverses, middle, low, high, bias, away, target);
  else if (form.group === 'column') {
    kernels.columnCodes(floats, rows, columns, inverses, places.leasts, places.mosts, places.zeros, flip, target);
  } else if (isBounded) {
    // biome-ignore format: one call
    kernels.boundedCodes(floats, lines, width, block, inverses, own, low, high, bias, flip, target);
  } else {
    // biome-ignore format: one call
    kernels.clippedCodes8(floats, lines, width, block, inverses, places.zeros, middle, low, high, bias, away, flip, target);
  }
  if (isPacked) return;
  if (packing === 'trits') kernels.packTrits(target, rows, columns, packed);
  else if (bits > 8) kernels.pack16(target, rows, columns, bits, packed);
  else kernels.pack8(target, rows, columns, bits, packed);
}

/** One group of everything; or no codes of zero, where groups have none. */
function placeFixed({ form, fixed, zeros }: LinearSpec, { floats, words }: Window, rows: number): void {
  if (fixed !== undefined && form.group === 'tensor') {
    floats[places.inverses / 4] = fixed.inverses[0] ?? 0;
    words[places.zeros / 4] = fixed.zeros[0] ?? 0;
  } else if (zeros === undefined)
    words.fill(0, places.zeros / 4, places.zeros / 4 + Math.min(rows * blocksOf(form), MOST_GROUPS));
}

/** What decides the codes of some columns. */
function placeColumns(
  { form, fixed, codes }: LinearSpec,
  { floats, words }: Window,
  first: number,
  count: number,
): void {
  const flip = codes === 'I8' ? 128 : 0;
  for (let i = 0; i < count; i++) {
    const zero = fixed?.zeros[first + i] ?? 0;
    floats[places.inverses / 4 + i] = fixed?.inverses[first + i] ?? 0;
    floats[places.leasts / 4 + i] = form.low - zero;
    floats[places.mosts / 4 + i] = form.high - zero;
    words[places.zeros / 4 + i] = MAGIC - zero - form.bias - flip;
  }
}
