import type { Meta } from '../../../records.ts';
import { ByteView, Malformed } from './byteView.ts';
import { isThinMacho, machoLayout } from './macho.ts';
import type { FunctionStart, Layout, Region } from './regions.ts';

const FAT = 0xcafebabe;
const FAT_64 = 0xcafebabf;
/** Architectures at most: Java classes begin with the same four bytes, and have 45 or more as the next number. */
const MAX_ARCHITECTURES = 30;

export function isFatMacho(bytes: Uint8Array): boolean {
  if (bytes.length < 8) return false;
  const view = new ByteView(bytes, false);
  const magic = view.u32(0);
  const count = view.u32(4);
  return (magic === FAT || magic === FAT_64) && count >= 1 && count <= MAX_ARCHITECTURES;
}

/** What one architecture has, in places of the whole file. */
interface Slice {
  readonly start: number;
  readonly regions: readonly Region[];
  readonly functions: () => Iterable<FunctionStart>;
}

/**
 * All architectures of a Mach-O file that has several; each segment says which it belongs to.
 * @throws Malformed
 */
export function fatMachoLayout(bytes: Uint8Array): Layout {
  const view = new ByteView(bytes, false);
  const is64 = view.u32(0) === FAT_64;
  const count = view.u32(4);
  const each = is64 ? 32 : 20;
  view.require(0, 8 + count * each, 'its table of architectures');
  const slices: Slice[] = [];
  for (let index = 0; index < count; index++) {
    const at = 8 + index * each;
    const start = view.word(at + 8, is64);
    const size = view.word(at + (is64 ? 16 : 12), is64);
    view.require(start, size, `architecture ${index + 1}`);
    slices.push(sliceAt(bytes, start, start + size));
  }
  return {
    regions: [
      { start: 0, end: 8 + count * each, label: 'macho_fat_header' },
      ...slices.flatMap(({ regions }) => regions),
    ],
    meta: { format: 'macho', object_type: 'fat' },
    *functions() {
      for (const { start, functions } of slices) {
        for (const { at, name } of functions()) yield { at: start + at, name };
      }
    },
  };
}

/** Where a section lies in the whole file. */
const placeOf = ({ meta }: Region, start: number): Meta =>
  typeof meta?.offset === 'number' ? { offset: start + meta.offset } : {};

function sliceAt(bytes: Uint8Array, start: number, end: number): Slice {
  const slice = bytes.subarray(start, end);
  // static libraries may be slices too
  if (!isThinMacho(slice)) return { start, regions: [{ start, end, label: 'unknown_binary' }], functions: () => [] };
  try {
    const { regions, meta, functions } = machoLayout(slice);
    const placed = regions.map((region) => ({
      ...region,
      start: start + region.start,
      end: Math.min(end, start + region.end),
      meta: { ...meta, ...region.meta, ...placeOf(region, start), arch_offset: start },
    }));
    return { start, regions: placed, functions };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const meta = { parse_error: error.message };
    return { start, regions: [{ start, end, label: 'unknown_binary', meta }], functions: () => [] };
  }
}
