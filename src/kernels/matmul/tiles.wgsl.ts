/** A part of the product: so many rows of so many outputs. */
export interface Part {
  readonly rows: number;
  readonly outputs: number;
}

/** What a workgroup computes, `inputs` at a time, and what each of its invocations has of it. */
export interface Tile extends Part {
  readonly inputs: number;
  readonly part: Part;
}

/** Parts that the whole product has. */
export const partsOf = ({ rows, outputs }: Part, product: Readonly<Record<'rows' | 'outputs', number>>): number =>
  Math.ceil(product.rows / rows) * Math.ceil(product.outputs / outputs);

/**
 * Each invocation computes a part by itself. The outer loop is over blocks of 32 inputs, since some weights have something in
 * common in one.
 * @param width how many inputs an element of the buffer `input` has
 */
export function invocationTiles(part: Part, lanes: number, width: 1 | 4): string {
  return `${COMMON}
${width === 4 ? VECTORS : SINGLES}
@compute @workgroup_size(${lanes})
${MAIN}
  let parts = ceilDivide(sizes.outputs, ${part.outputs}u);
  let part = group(id, count) * ${lanes}u + lane;
  let row = part / parts * ${part.rows}u;
  let column = part % parts * ${part.outputs}u;
  if (row >= sizes.rows) { return; }
  ${each(part.rows, (r) => `let row${r} = rowAt(min(row + ${r}u, sizes.rows - 1u));`)}
  ${each(part.outputs, (o) => `let column${o} = min(column + ${o}u, sizes.outputs - 1u);`)}
  ${sums(part)}
  for (var block = 0u; block < ((groups() + 7u) >> 3u); block++) {
    ${each(part.outputs, (o) => `let block${o} = blockOf(column${o}, block);`)}
    let first = block << 3u;
    let count = min(8u, groups() - first);
    for (var at = 0u; at < count; at++) {
      ${each(part.outputs, (o) => `let w${o} = weights4(block${o}, at);`)}
      ${each(part.rows, (r) => `let x${r} = input4(row${r}, first + at);`)}
      ${products(part)}
    }
  }
  ${pairs(part, (r, o) => `finish(row + ${r}u, column + ${o}u, sum${r}_${o});`)}
}`;
}

/**
 * A workgroup computes a tile: it brings inputs and decoded weights into its memory, and while its invocations compute with
 * these, the next are on their way. Outputs of an invocation lie as far apart as there are invocations in a row, so that
 * neighbours write side by side; rows in memory have one vector more than they need, so that neighbours read from different
 * banks.
 */
export function workgroupTiles({ rows, outputs, inputs, part }: Tile): string {
  const across = outputs / part.outputs;
  const lanes = (rows / part.rows) * across;
  const vectors = inputs / 4;
  const stride = vectors + 1;
  const loads = (tile: string, first: string, count: number) =>
    Array.from({ length: (count * vectors) / lanes }, (_, i) => ({
      next: `${tile}Next${i}`,
      put: `${tile}[place(lane + ${i * lanes}u)]`,
      get: (step: string) => `${tile}At(${first}, ${step}, lane + ${i * lanes}u)`,
    }));
  const all = [...loads('inputTile', 'firstRow', rows), ...loads('weightTile', 'firstColumn', outputs)];
  return `${COMMON}
${VECTORS}
var<workgroup> inputTile: array<vec4<f32>, ${rows * stride}>;
var<workgroup> weightTile: array<vec4<f32>, ${outputs * stride}>;
fn place(i: u32) -> u32 { return i / ${vectors}u * ${stride}u + i % ${vectors}u; }
fn inputTileAt(first: u32, step: u32, i: u32) -> vec4<f32> {
  let row = first + i / ${vectors}u;
  let at = step * ${vectors}u + i % ${vectors}u;
  if (row >= sizes.rows || at >= groups()) { return vec4(0.0); }
  return input4(rowAt(row), at);
}
fn weightTileAt(first: u32, step: u32, i: u32) -> vec4<f32> {
  let column = first + i / ${vectors}u;
  let at = step * ${vectors}u + i % ${vectors}u;
  if (column >= sizes.outputs || at >= groups()) { return vec4(0.0); }
  return weights4(blockOf(column, at >> 3u), at & 7u);
}
@compute @workgroup_size(${lanes})
${MAIN}
  let tiles = ceilDivide(sizes.outputs, ${outputs}u);
  let tile = group(id, count);
  let firstRow = tile / tiles * ${rows}u;
  let firstColumn = tile % tiles * ${outputs}u;
  let row = lane / ${across}u * ${part.rows}u;
  let column = lane % ${across}u;
  ${sums(part)}
  ${all.map(({ next, get }) => `var ${next} = ${get('0u')};`).join('\n')}
  let steps = ceilDivide(groups(), ${vectors}u);
  for (var step = 0u; step < steps; step++) {
    workgroupBarrier();
    ${all.map(({ next, put }) => `${put} = ${next};`).join('\n')}
    workgroupBarrier();
    ${all.map(({ next, get }) => `${next} = ${get('step + 1u')};`).join('\n')}
    for (var k = 0u; k < ${vectors}u; k++) {
      ${each(part.rows, (r) => `let x${r} = inputTile[(row + ${r}u) * ${stride}u + k];`)}
      ${each(part.outputs, (o) => `let w${o} = weightTile[(column + ${o * across}u) * ${stride}u + k];`)}
      ${products(part)}
    }
  }
  ${pairs(part, (r, o) => `finish(firstRow + row + ${r}u, firstColumn + column + ${o * across}u, sum${r}_${o});`)}
}`;
}

const COMMON = `
fn ceilDivide(a: u32, b: u32) -> u32 { return (a + b - 1u) / b; }
fn finish(row: u32, column: u32, sum: f32) {
  if (row >= sizes.rows || column >= sizes.outputs) { return; }
  let at = row * sizes.outputs + column;
  var value = scaled(column, sum);
  if (sizes.accumulate == 1u) { value += output[at]; }
  output[at] = value;
}`;

const VECTORS = `
fn groups() -> u32 { return sizes.inputs >> 2u; }
fn rowAt(row: u32) -> u32 { return row * groups(); }
fn input4(row: u32, at: u32) -> vec4<f32> { return input[row + at]; }`;

/** The last group of a row may have fewer than four inputs. */
const SINGLES = `
fn groups() -> u32 { return (sizes.inputs + 3u) >> 2u; }
fn rowAt(row: u32) -> u32 { return row * sizes.inputs; }
fn inputOr0(row: u32, i: u32) -> f32 {
  return select(0.0, input[row + min(i, sizes.inputs - 1u)], i < sizes.inputs);
}
fn input4(row: u32, at: u32) -> vec4<f32> {
  let i = at << 2u;
  return vec4(inputOr0(row, i), inputOr0(row, i + 1u), inputOr0(row, i + 2u), inputOr0(row, i + 3u));
}`;

const MAIN = `fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {`;

/** Sums have names of their own, since not every compiler keeps arrays in registers. */
const sums = (part: Part): string => pairs(part, (r, o) => `var sum${r}_${o} = 0.0;`);

/** Products of x<r> and w<o>, in the order of inputs. */
const products = (part: Part): string =>
  ['x', 'y', 'z', 'w']
    .map((i) => pairs(part, (r, o) => `sum${r}_${o} = plus(sum${r}_${o}, x${r}.${i}, w${o}.${i});`))
    .join('\n');

const pairs = ({ rows, outputs }: Part, text: (r: number, o: number) => string): string =>
  each(rows, (r) => each(outputs, (o) => text(r, o)));

const each = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join('\n');
