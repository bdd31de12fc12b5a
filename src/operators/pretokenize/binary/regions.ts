import type { Meta } from '../../../records.ts';
import { SegmentTableBuilder } from '../segmentTable.ts';
import type { SegmentTable } from '../view.ts';
import { Malformed } from './byteView.ts';

/** A range of a file that is one thing: a header, a table, a section. Ranges may overlap, or reach beyond the file. */
export interface Region {
  readonly start: number;
  /** First byte behind it. */
  readonly end: number;
  readonly label: string;
  readonly meta?: Meta | undefined;
  /** It holds instructions. */
  readonly executable?: boolean | undefined;
}

/** Where a function begins. */
export interface FunctionStart {
  /** Byte of the file. */
  readonly at: number;
  readonly name: string;
}

/** What a file says of itself. */
export interface Layout {
  readonly regions: readonly Region[];
  /** Facts of the whole file. */
  readonly meta: Meta;
  /** In any order, of which the first at a place counts; asked for only where sections are to be cut there. */
  functions(): Iterable<FunctionStart>;
}

/** Sections of a file, or of all architectures of it: each may have a label of its own, and labels are numbered in 16 bits. */
export const MAX_SECTIONS = 50_000;
/** Functions that sections are cut at. */
const MAX_FUNCTIONS = 1 << 18;
/** Characters of a section's name in its label. */
const LABEL_NAME = 64;

export function requireSections(count: number): void {
  if (count > MAX_SECTIONS) throw new Malformed(`it claims ${count} sections, and ${MAX_SECTIONS} are allowed`);
}

/** A name as part of a label: printable ASCII without spaces, and not for ever. */
export const labelName = (name: string): string => name.slice(0, LABEL_NAME).replace(/[^\x21-\x7e]/g, '_') || 'unknown';

/** How a file is cut. */
export interface Tiling {
  readonly length: number;
  readonly maxSegmentBytes: number;
  /** Regions with code are cut here. */
  readonly functions: Iterable<FunctionStart>;
}

/**
 * Segments that tile a file: regions in the order of their bytes. Where regions overlap, a byte belongs to the one that
 * begins first, and of those that begin together to the one listed first; what is left of the others follows. Bytes of no region
 * are `binary_gap` between regions, and `binary_overlay` behind the last.
 */
export function tiled(
  regions: readonly Region[],
  { length, maxSegmentBytes, functions }: Tiling,
  meta: Meta,
): SegmentTable {
  const builder = new SegmentTableBuilder();
  const starts = sortedStarts(functions, length);
  let next = 0;
  const add = (end: number, label: string, own: Meta | undefined): void => {
    while (builder.length < end) {
      builder.add({ length: Math.min(maxSegmentBytes, end - builder.length), label, meta: own });
    }
  };
  for (const region of regions.toSorted((a, b) => a.start - b.start)) {
    const start = Math.max(region.start, builder.length);
    const end = Math.min(region.end, length);
    if (!(start < end)) continue;
    add(start, 'binary_gap', undefined);
    let own = region.meta;
    if (region.executable === true) {
      for (; (starts[next]?.at ?? end) < end; next++) {
        const { at, name } = starts[next] ?? { at: end, name: '' };
        if (at < start) continue;
        add(at, region.label, own);
        own = { ...region.meta, symbol: name };
      }
    }
    add(end, region.label, own);
  }
  add(length, 'binary_overlay', undefined);
  return builder.table(meta);
}

/** Function starts in ascending order, the first of those at one place. */
function sortedStarts(functions: Iterable<FunctionStart>, length: number): FunctionStart[] {
  const byPlace = new Map<number, FunctionStart>();
  for (const start of functions) {
    if (byPlace.size >= MAX_FUNCTIONS) break;
    if (start.at >= 0 && start.at < length && !byPlace.has(start.at)) byPlace.set(start.at, start);
  }
  return [...byPlace.values()].sort((a, b) => a.at - b.at);
}
