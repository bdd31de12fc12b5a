/** A piece of a line of a page, in coordinates of its own direction of writing: along the line, and down the page. */
export interface Fragment {
  readonly text: string;
  /** Quarter turns, anticlockwise, that it is written in; undefined where it is slanted, or written downwards. */
  readonly turns: number | undefined;
  /** Points. */
  readonly start: number;
  readonly end: number;
  readonly top: number;
  readonly bottom: number;
  /** Its characters follow one another from right to left. */
  readonly leftwards: boolean;
}

/** Fragments that stand beside one another. */
interface Row {
  readonly fragments: readonly Fragment[];
  /** What they take of the row, in ascending order, without overlaps. */
  readonly spans: readonly Span[];
  readonly top: number;
  readonly bottom: number;
  readonly height: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** What stands on one side of a gutter. */
interface Side {
  readonly rows: number;
  /** Sums over these rows. */
  readonly length: number;
  readonly height: number;
}

/** An empty strip beside which rows stand. */
interface Gutter extends Span {
  readonly before: Side;
  readonly after: Side;
}

/** Fragments of a page above which their places are not looked at. */
const MAX_FRAGMENTS = 5000;
/** Columns in columns. */
const MAX_DEPTH = 8;
/** What a column of text has at least: lines, and their mean length in heights of a line. Columns of tables have less. */
const MIN_ROWS = 3;
const MIN_LENGTH = 8;
/** What is left free between lines of a column at most, in heights of a line. */
const MAX_GAP = 2;
/** Width of a gutter at least, in heights of a line. */
const MIN_GUTTER = 0.8;

/**
 * The lines of a page in the order of its layout: from top to bottom, and column by column where it has columns. Columns are
 * rows that leave a strip free, three of them or more on each side, on average eight times as long as they are high: so that
 * tables stay as they are. What runs across the strip ends the columns, and so do two empty lines (a variant of the recursive
 * cuts of Nagy and Seth, 1984). Where most is written from right to left, so are rows and columns read.
 *
 * Writing in other directions follows the commonest, each direction by itself. What is slanted, and everything on pages of
 * more than 5,000 pieces, stays in the order that the file has it in.
 */
export function inReadingOrder(fragments: readonly Fragment[]): string[] {
  if (fragments.length > MAX_FRAGMENTS) return fragments.map(({ text }) => text);
  const directions = new Map<number | undefined, { characters: number; fragments: Fragment[] }>();
  for (const fragment of fragments) {
    const same = directions.get(fragment.turns) ?? { characters: 0, fragments: [] };
    same.characters += fragment.text.length;
    same.fragments.push(fragment);
    directions.set(fragment.turns, same);
  }
  return [...directions]
    .sort(([a = 4, { characters: ofA }], [b = 4, { characters: ofB }]) => ofB - ofA || a - b)
    .flatMap(([turns, { fragments: same }]) => (turns === undefined ? same.map(({ text }) => text) : laidOut(same)));
}

function laidOut(fragments: readonly Fragment[]): string[] {
  const leftwards = fragments.filter((fragment) => fragment.leftwards).length * 2 > fragments.length;
  return lines(fragments, leftwards, MAX_DEPTH);
}

function lines(fragments: readonly Fragment[], leftwards: boolean, depth: number): string[] {
  const rows = rowsOf(fragments, leftwards);
  const everywhere = {
    start: rows.reduce((least, { spans }) => Math.min(least, spans[0]?.start ?? least), Number.POSITIVE_INFINITY),
    end: rows.reduce((most, { spans }) => Math.max(most, spans.at(-1)?.end ?? most), Number.NEGATIVE_INFINITY),
    before: NOTHING,
    after: NOTHING,
  };
  const onlyOne = singleFrom(rows);
  const all: string[] = [];
  for (let at = 0; at < rows.length; ) {
    const columns = depth === 0 || at >= onlyOne ? undefined : columnsFrom(rows, at, everywhere);
    if (columns === undefined) {
      all.push(rows[at]?.fragments.map(({ text }) => text).join(' ') ?? '');
      at++;
      continue;
    }
    const { before, after } = columns;
    for (const column of leftwards ? [after, before] : [before, after]) {
      all.push(...lines(column, leftwards, depth - 1));
    }
    at += columns.rows;
  }
  return all;
}

/**
 * The row from which on no strip can have as many rows on each side as columns have: of so many, those that begin last begin
 * before those end that end first.
 */
function singleFrom(rows: readonly Row[]): number {
  const starts: number[] = [];
  const ends: number[] = [];
  let at = rows.length;
  for (; at > 0; at--) {
    const spans = rows[at - 1]?.spans ?? [];
    starts.push(-(spans.at(-1)?.start ?? 0));
    ends.push(spans[0]?.end ?? 0);
    for (const least of [starts, ends]) least.sort((a, b) => a - b).splice(MIN_ROWS);
    const [start, end] = [starts[MIN_ROWS - 1], ends[MIN_ROWS - 1]];
    if (start !== undefined && end !== undefined && -start >= end) break;
  }
  return at;
}

/** Fragments by rows, from top to bottom: those of a row share half of a height with the first of it. */
function rowsOf(fragments: readonly Fragment[], leftwards: boolean): Row[] {
  const rows: Fragment[][] = [];
  let top = 0;
  let bottom = 0;
  for (const fragment of fragments.toSorted((a, b) => a.top + a.bottom - b.top - b.bottom)) {
    const shared = Math.min(bottom, fragment.bottom) - Math.max(top, fragment.top);
    const row = rows.at(-1);
    if (row !== undefined && shared * 2 >= Math.min(bottom - top, fragment.bottom - fragment.top)) row.push(fragment);
    else {
      rows.push([fragment]);
      ({ top, bottom } = fragment);
    }
  }
  return rows.map((row) => ({
    fragments: row.toSorted((a, b) => (leftwards ? b.end - a.end : a.start - b.start)),
    spans: spansOf(row),
    top: Math.min(...row.map((fragment) => fragment.top)),
    bottom: Math.max(...row.map((fragment) => fragment.bottom)),
    height: Math.max(...row.map((fragment) => fragment.bottom - fragment.top)),
  }));
}

function spansOf(row: readonly Fragment[]): Span[] {
  const spans: { start: number; end: number }[] = [];
  for (const { start, end } of row.toSorted((a, b) => a.start - b.start)) {
    const last = spans.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else spans.push({ start, end });
  }
  return spans;
}

interface Columns {
  /** How many rows they are. */
  readonly rows: number;
  readonly before: readonly Fragment[];
  readonly after: readonly Fragment[];
}

const NOTHING: Side = { rows: 0, length: 0, height: 0 };
/** The columns that begin with a row, if some do. */
function columnsFrom(rows: readonly Row[], first: number, everywhere: Gutter): Columns | undefined {
  let gutters: readonly Gutter[] = [everywhere];
  for (let at = first; ; at++) {
    const row = rows[at];
    const above = rows[at - 1]?.bottom ?? Number.NEGATIVE_INFINITY;
    const ends = row === undefined || (at > first && row.top - above > MAX_GAP * row.height);
    const next = ends ? [] : narrowed(gutters, row);
    const ended = gutters.find((gutter) => isBetweenColumns(gutter) && !next.some((one) => isWithin(one, gutter)));
    if (ended !== undefined) return cutAt(rows.slice(first, at), ended);
    if (next.length === 0) return undefined;
    gutters = next;
  }
}

const isWithin = (inner: Span, outer: Span): boolean => inner.start >= outer.start && inner.end <= outer.end;

const isColumn = ({ rows, length, height }: Side): boolean => rows >= MIN_ROWS && length >= MIN_LENGTH * height;

const isBetweenColumns = ({ before, after }: Gutter): boolean => isColumn(before) && isColumn(after);

/** What a row leaves of gutters. */
function narrowed(gutters: readonly Gutter[], { spans, height }: Row): Gutter[] {
  const left: Gutter[] = [];
  const from = spans[0]?.start ?? 0;
  const to = spans.at(-1)?.end ?? 0;
  let at = 0;
  for (const gutter of gutters) {
    // the strip before the first span, then those behind each; both lists ascend
    for (; at <= spans.length; at++) {
      const previous = spans[at - 1];
      const next = spans[at];
      const start = Math.max(gutter.start, previous?.end ?? Number.NEGATIVE_INFINITY);
      const end = Math.min(gutter.end, next?.start ?? Number.POSITIVE_INFINITY);
      if (end - start >= MIN_GUTTER * height) {
        left.push({
          start,
          end,
          before: previous === undefined ? gutter.before : beside(gutter.before, previous.end - from, height),
          after: next === undefined ? gutter.after : beside(gutter.after, to - next.start, height),
        });
      }
      if (next === undefined || next.start >= gutter.end) break;
    }
  }
  return left;
}

const beside = ({ rows, length: sum, height: heights }: Side, length: number, height: number): Side => ({
  rows: rows + 1,
  length: sum + length,
  height: heights + height,
});

function cutAt(rows: readonly Row[], { start, end }: Span): Columns {
  const all = rows.flatMap(({ fragments }) => fragments);
  const middle = (start + end) / 2;
  return {
    rows: rows.length,
    before: all.filter((fragment) => fragment.end <= middle),
    after: all.filter((fragment) => fragment.end > middle),
  };
}
