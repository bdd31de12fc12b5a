import { SluiceError } from '../../errors.ts';
import type { Encoded } from '../scheme.ts';
import { requireFinite } from './finite.ts';
import type { Groups } from './linear.ts';
import { targetOf } from './raw.ts';
import { blocksOf, eachSpan, groupsIn, type LinearSpec, rowsOf, stepBytesOf, stepKinds } from './spec.ts';
import { MOST_GROUPS, openWindow, places, WINDOW, type Window } from './window.ts';

const INFINITE = 0x7f80_0000;

/** What is kept of groups while rows go through the window. */
export class GroupStore {
  readonly scales: Uint8Array<ArrayBuffer> | undefined;
  readonly zeroBytes: Uint8Array<ArrayBuffer> | undefined;
  /** Only where they are asked for. */
  readonly inverses: Float32Array<ArrayBuffer> | undefined;
  readonly zeros: Int32Array<ArrayBuffer> | undefined;
  readonly #spec: LinearSpec;
  readonly #window: Window;

  constructor(spec: LinearSpec, groups: number, withInverses: boolean, [scales, zeroBytes]: Encoded = []) {
    const { steps } = spec;
    this.#spec = spec;
    this.#window = openWindow();
    if (steps !== undefined) this.scales = targetOf(scales, groups * stepBytesOf(steps));
    if (spec.zeros !== undefined) this.zeroBytes = targetOf(zeroBytes, groups);
    if (withInverses) {
      this.inverses = new Float32Array(groups);
      this.zeros = new Int32Array(groups);
    }
  }

  get parts(): Uint8Array<ArrayBuffer>[] {
    return [this.scales, this.zeroBytes].filter((part) => part !== undefined);
  }

  /** Finds what decides the steps of the numbers that lie in the window. False for NaN and infinities. */
  measure(rows: number, columns: number): boolean {
    const { kernels } = this.#window;
    const { form, zeros } = this.#spec;
    const block = form.group === 'block' ? Math.min(form.block, columns) : columns;
    if (form.from === 'mean') {
      this.#window.doubles.fill(0, places.sums / 8, places.sums / 8 + 4 * rows);
      kernels.addMagnitudes(places.floats, rows, columns, places.sums);
      return true;
    }
    if (form.from === 'fixed')
      return kernels.magnitudes(places.floats, 1, rows * columns, rows * columns, places.mosts) < INFINITE;
    const bits =
      zeros === undefined
        ? kernels.magnitudes(places.floats, rows, columns, block, places.mosts)
        : kernels.extremes(places.floats, rows, columns, block, places.leasts, places.mosts);
    return bits < INFINITE;
  }

  /** Steps of `rows` rows that were measured and lie in the window. The first group without one, or -1. */
  findSteps(rows: number, columns: number, first: number, count: number): number {
    const { form, zeros, steps } = this.#spec;
    if (steps === undefined) return -1;
    const { kernels } = this.#window;
    const { floats, leasts, mosts, inverses, stored } = places;
    const kind = stepKinds[steps];
    const wrong =
      form.from === 'mean'
        ? kernels.meanSteps(places.sums, count, form.columns, kind, inverses, stored)
        : form.from === 'search'
          ? // biome-ignore format: one call
            kernels.searchSteps(floats, rows, columns, Math.min(form.block, columns), leasts, mosts, form.low, form.high, kind, inverses, zeros === undefined ? 0 : places.zeros, stored)
          : zeros === undefined
            ? kernels.magnitudeSteps(mosts, count, form.high, form.high + 0.5, kind, inverses, stored)
            : kernels.extremeSteps(leasts, mosts, count, form.low, form.high, kind, inverses, places.zeros, stored);
    this.#keep(first, count, stepBytesOf(steps));
    return wrong;
  }

  #keep(first: number, count: number, size: number): void {
    const { bytes, floats, words } = this.#window;
    const { stored, inverses, zeros } = places;
    this.scales?.set(bytes.subarray(stored, stored + count * size), first * size);
    this.inverses?.set(floats.subarray(inverses / 4, inverses / 4 + count), first);
    if (this.zeroBytes === undefined) return;
    const found = words.subarray(zeros / 4, zeros / 4 + count);
    // bytes take what they hold of a number below 0, which is what a signed byte needs
    this.zeroBytes.set(found, first);
    this.zeros?.set(found, first);
  }
}

/** What the device or {@link groupsOf} found, as groups. @throws SluiceError `QUANTIZE_VALUE` */
export function groupsFrom(
  spec: LinearSpec,
  { most, least }: { readonly most: Float32Array; readonly least?: Float32Array | undefined },
): Groups {
  const { from } = spec.form;
  if (from !== 'magnitude' && from !== 'extremes')
    throw new RangeError(`Groups are found by ${from}, not by extremes.`);
  if (from === 'extremes' && least?.length !== most.length) throw new RangeError('Groups need their least values too.');
  const blocks = blocksOf(spec.form);
  for (const found of [most, least ?? []]) {
    const group = found.findIndex((value: number) => !Number.isFinite(value));
    if (group >= 0) throw noScale(spec, Math.floor(group / blocks), `reaches ${found[group]}`);
  }
  const { floats } = openWindow();
  const store = new GroupStore(spec, most.length, true);
  for (let first = 0; first < most.length; first += MOST_GROUPS) {
    const some = most.subarray(first, first + MOST_GROUPS);
    floats.set(some, places.mosts / 4);
    if (least !== undefined) floats.set(least.subarray(first, first + MOST_GROUPS), places.leasts / 4);
    const wrong = store.findSteps(0, 0, first, some.length);
    if (wrong >= 0) throw noScale(spec, Math.floor((first + wrong) / blocks), `reaches ${some[wrong]}`);
  }
  return finished(store);
}

/** Groups of rows, found here. @throws SluiceError `QUANTIZE_VALUE` */
export function groupsOf(spec: LinearSpec, values: Float32Array): Groups {
  const { columns } = spec.form;
  const rows = rowsOf(values, columns);
  const store = new GroupStore(spec, rows * blocksOf(spec.form), true);
  if (isInPieces(spec)) {
    for (let row = 0; row < rows; row++)
      measureRow(spec, store, values.subarray(row * columns, (row + 1) * columns), row);
    return finished(store);
  }
  const { floats } = openWindow();
  eachSpan(spec, rows, (row, some, column, width) => {
    const from = row * columns + column;
    floats.set(values.subarray(from, from + some * width), places.floats / 4);
    requireSteps(spec, store, values, row, some, column, width);
  });
  return finished(store);
}

function finished(store: GroupStore): Groups {
  return {
    inverses: store.inverses ?? new Float32Array(),
    zeros: store.zeros ?? new Int32Array(),
    parts: store.parts,
  };
}

/** Whether a row has one step and is longer than the window, so that it passes twice. */
export function isInPieces({ form, steps }: LinearSpec): boolean {
  return steps !== undefined && blocksOf(form) === 1 && form.columns > WINDOW;
}

/** Measures what lies in the window and finds its steps. @throws SluiceError `QUANTIZE_VALUE` */
export function requireSteps(
  spec: LinearSpec,
  store: GroupStore,
  values: Float32Array,
  row: number,
  rows: number,
  column: number,
  width: number,
): void {
  const { columns } = spec.form;
  const areFinite = store.measure(rows, width);
  const [first, count] = groupsIn(spec.form, row, rows, column, width);
  const wrong = areFinite ? store.findSteps(rows, width, first, count) : 0;
  if (wrong < 0) return;
  requireFinite(values.subarray(row * columns, (row + rows) * columns), columns, row);
  throw noScale(spec, Math.floor((first + wrong) / blocksOf(spec.form)));
}

/** The same for a row that does not fit the window: finds its one step piece by piece. @throws SluiceError `QUANTIZE_VALUE` */
export function measureRow(spec: LinearSpec, store: GroupStore, values: Float32Array, row: number): void {
  const { floats, doubles, kernels } = openWindow();
  const isMean = spec.form.from === 'mean';
  doubles.fill(0, places.sums / 8, places.sums / 8 + 4);
  let [least, most, areFinite] = [0, 0, true];
  for (let column = 0; column < values.length && areFinite; column += WINDOW) {
    const piece = values.subarray(column, column + WINDOW);
    floats.set(piece, places.floats / 4);
    if (isMean) kernels.addMagnitudes(places.floats, 1, piece.length, places.sums);
    else {
      areFinite = store.measure(1, piece.length);
      most = Math.max(most, floats[places.mosts / 4] ?? 0);
      if (spec.zeros !== undefined) least = Math.min(least, floats[places.leasts / 4] ?? 0);
    }
  }
  floats[places.mosts / 4] = most;
  floats[places.leasts / 4] = least;
  if (areFinite && store.findSteps(1, values.length, row, 1) < 0) return;
  requireFinite(values, values.length, row);
  throw noScale(spec, row);
}

function noScale({ steps }: LinearSpec, row: number, what = 'has magnitudes'): SluiceError {
  const isHalf = steps === 'f16' || steps === 'f16Any';
  return new SluiceError(`row ${row} ${what} beyond what scales in ${isHalf ? 'f16' : 'f32'} can hold`, {
    code: 'QUANTIZE_VALUE',
    hint: isHalf ? "keep the scales as float32: { scales: 'f32' }" : 'divide the numbers by a power of two first',
  });
}
