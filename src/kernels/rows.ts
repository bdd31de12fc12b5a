import type { Form } from './kernel.ts';

/** Sizes that every kernel over rows has. */
type RowSizes = 'rows' | 'columns';
type RowCounts = Readonly<Record<RowSizes, number>>;

/** A reduction of each row of a matrix, and what is made of it. */
export interface RowReduction {
  /** The buffer f32[rows, columns] that is reduced. */
  readonly input: string;
  /** Names of the sums. */
  readonly sums: readonly string[];
  /** Type of the sums, and of the input's elements. Default: f32. */
  readonly type?: 'f32' | 'u32' | undefined;
  /**
   * WGSL over `struct Sums`, whose fields are the sums:
   * `fn start() -> Sums`, of no values;
   * `fn fold(sums: Sums, value: f32) -> Sums`, with one value more;
   * `fn merge(a: Sums, b: Sums) -> Sums`, of the values of both;
   * `fn finish(row: u32, sums: Sums, lane: u32, lanes: u32)`, called by each of the lanes that share the row. Lane 0 writes
   * what the row has once; of what it has for every column, a lane writes each `lanes`-th, beginning with its own, out of
   * `width()`: columns, or vectors of four where buffers hold those. `Value` is the type of one.
   */
  readonly code: string;
  /** `fn fold4(sums: Sums, values: vec4<f32>) -> Sums`. Default: four times `fold`. */
  readonly fold4?: string | undefined;
  /**
   * `fn rangeOf(row: u32) -> vec2<u32>`, where a row begins and ends in the input, counted as `width()` counts. Default: rows
   * lie one behind the other, each `width()` long.
   */
  readonly range?: string | undefined;
}

const LANES = 64;
/** Of forms with subgroups: rows of one workgroup, and its lanes. */
const SUBGROUP_ROWS = 4;
const SUBGROUP_LANES = 128;

/**
 * Forms of a kernel that reads each row once: a subgroup to a row, a workgroup to a row where there are no subgroups, an
 * invocation to a row where barriers are slow; with vectors of four where the columns allow it.
 */
export function rowForms<More extends string = never>(reduction: RowReduction): Form<RowSizes | More>[] {
  const of = (layout: Layout, vectors: boolean): Form<RowSizes | More> => ({
    name: vectors ? `${layout.name}4` : layout.name,
    code: [...shared(reduction, vectors), layout.main(reduction)].join('\n'),
    vectors,
    needs: layout.name === 'subgroup' ? ['subgroups'] : [],
    fits: (sizes: RowCounts) => !vectors || sizes.columns % 4 === 0,
    ...(layout.name === 'invocation' ? {} : { suits: ({ software }) => !software }),
    workgroups: (sizes: RowCounts) => Math.ceil(sizes.rows / layout.rows),
  });
  return [SUBGROUP, WORKGROUP, INVOCATION].flatMap((layout) => [of(layout, true), of(layout, false)]);
}

interface Layout {
  readonly name: 'subgroup' | 'workgroup' | 'invocation';
  /** Rows of a workgroup. */
  readonly rows: number;
  main(reduction: RowReduction): string;
}

function shared({ input, sums, type = 'f32', code, fold4, range }: RowReduction, vectors: boolean): string[] {
  return [
    `struct Sums { ${sums.map((name) => `${name}: ${type},`).join(' ')} }`,
    `alias Value = ${vectors ? `vec4<${type}>` : type};`,
    `fn width() -> u32 { return sizes.columns${vectors ? ' / 4u' : ''}; }`,
    code,
    vectors ? (fold4 ?? FOLD4) : '',
    `fn foldAt(sums: Sums, at: u32) -> Sums { return fold${vectors ? '4' : ''}(sums, ${input}[at]); }`,
    range ?? RANGE,
    FOLD_ROW,
  ];
}

const FOLD4 = `
fn fold4(sums: Sums, values: Value) -> Sums {
  return fold(fold(fold(fold(sums, values.x), values.y), values.z), values.w);
}`;

const RANGE = 'fn rangeOf(row: u32) -> vec2<u32> { return vec2(row * width(), (row + 1u) * width()); }';

const FOLD_ROW = `
fn foldRow(row: u32, lane: u32, lanes: u32) -> Sums {
  var sums = start();
  let range = rangeOf(row);
  for (var i = range.x + lane; i < range.y; i += lanes) {
    sums = foldAt(sums, i);
  }
  return sums;
}`;

const INVOCATION: Layout = {
  name: 'invocation',
  rows: LANES,
  main: () => `
@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group(id, count) * ${LANES}u + lane;
  if (row >= sizes.rows) { return; }
  finish(row, foldRow(row, 0u, 1u), 0u, 1u);
}`,
};

const WORKGROUP: Layout = {
  name: 'workgroup',
  rows: 1,
  main: () => `
var<workgroup> partial: array<Sums, ${LANES}>;
@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group(id, count);
  if (row >= sizes.rows) { return; }
  partial[lane] = foldRow(row, lane, ${LANES}u);
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] = merge(partial[lane], partial[lane + half]); }
    workgroupBarrier();
  }
  finish(row, partial[0], lane, ${LANES}u);
}`,
};

const SUBGROUP: Layout = {
  name: 'subgroup',
  rows: SUBGROUP_ROWS,
  main: ({ sums }) => `
fn across(own: Sums, lanes: u32) -> Sums {
  var all = own;
  for (var step = lanes / 2u; step > 0u; step /= 2u) {
    all = merge(all, Sums(${sums.map((name) => `subgroupShuffleXor(all.${name}, step)`).join(', ')}));
  }
  return all;
}
@compute @workgroup_size(${SUBGROUP_LANES})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(num_subgroups) subgroups: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
) {
  for (var i = subgroup; i < ${SUBGROUP_ROWS}u; i += subgroups) {
    let row = group(id, count) * ${SUBGROUP_ROWS}u + i;
    if (row < sizes.rows) { finish(row, across(foldRow(row, lane, lanes), lanes), lane, lanes); }
  }
}`,
};
