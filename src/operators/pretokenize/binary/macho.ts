import { ByteView, hex, Malformed } from './byteView.ts';
import { type FunctionStart, type Layout, labelName, type Region, requireSections } from './regions.ts';

/** `cputype` without the bits that tell the width of addresses (`mach/machine.h`). */
const MACHINES: Readonly<Record<number, readonly [narrow: string, wide: string]>> = {
  6: ['m68k', 'm68k'],
  7: ['x86', 'x86_64'],
  12: ['arm', 'aarch64'],
  14: ['sparc', 'sparc'],
  18: ['ppc', 'ppc64'],
};
const WIDE = 0x01000000;
const WIDTHS = 0xff000000;
/** `filetype`. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'relocatable',
  2: 'executable',
  4: 'core',
  5: 'preload',
  6: 'shared',
  7: 'dylinker',
  8: 'bundle',
  9: 'stub',
  10: 'debug',
  11: 'kext',
  12: 'fileset',
};
/** Type of a section, the lowest byte of its flags (`mach-o/loader.h`). */
const SECTION_TYPES = [
  'S_REGULAR',
  'S_ZEROFILL',
  'S_CSTRING_LITERALS',
  'S_4BYTE_LITERALS',
  'S_8BYTE_LITERALS',
  'S_LITERAL_POINTERS',
  'S_NON_LAZY_SYMBOL_POINTERS',
  'S_LAZY_SYMBOL_POINTERS',
  'S_SYMBOL_STUBS',
  'S_MOD_INIT_FUNC_POINTERS',
  'S_MOD_TERM_FUNC_POINTERS',
  'S_COALESCED',
  'S_GB_ZEROFILL',
  'S_INTERPOSING',
  'S_16BYTE_LITERALS',
  'S_DTRACE_DOF',
  'S_LAZY_DYLIB_SYMBOL_POINTERS',
  'S_THREAD_LOCAL_REGULAR',
  'S_THREAD_LOCAL_ZEROFILL',
  'S_THREAD_LOCAL_VARIABLES',
  'S_THREAD_LOCAL_VARIABLE_POINTERS',
  'S_THREAD_LOCAL_INIT_FUNCTION_POINTERS',
  'S_INIT_FUNC_OFFSETS',
] as const;
/** Types of sections that take no bytes of the file. */
const EMPTY: readonly number[] = [1, 12, 18];
/** Attributes of sections that hold instructions: nothing else, or some. */
const INSTRUCTIONS = 0x80000400;
const SEGMENT = 0x1;
const SEGMENT_64 = 0x19;
const SYMBOLS = 0x2;

/** What load commands name that lies outside of sections: places of pairs of offset and size in the command. */
interface Table {
  readonly label: string;
  readonly at: number;
  /** Bytes of an entry. */
  readonly each: number;
}

const bytesAt = (label: string, at = 8): Table => ({ label: `macho_${label}`, at, each: 1 });
const DYLD_INFO = [
  bytesAt('rebase', 8),
  bytesAt('bind', 16),
  bytesAt('weak_bind', 24),
  bytesAt('lazy_bind', 32),
  bytesAt('exports', 40),
];
const TABLES: Readonly<Record<number, readonly Table[]>> = {
  11: [
    { label: 'macho_indirect_symbols', at: 56, each: 4 },
    { label: 'macho_relocations', at: 64, each: 8 },
    { label: 'macho_relocations', at: 72, each: 8 },
  ],
  29: [bytesAt('code_signature')],
  30: [bytesAt('split_info')],
  34: DYLD_INFO,
  2147483682: DYLD_INFO,
  38: [bytesAt('function_starts')],
  41: [bytesAt('data_in_code')],
  43: [bytesAt('code_sign_drs')],
  46: [bytesAt('optimization_hints')],
  2147483699: [bytesAt('exports')],
  2147483700: [bytesAt('chained_fixups')],
};

interface Section {
  readonly address: number;
  readonly offset: number;
  readonly size: number;
}

interface Found {
  readonly regions: Region[];
  readonly sections: Section[];
  symbols: { at: number; count: number; names: number; namesEnd: number } | undefined;
}

const MAGICS: Readonly<Record<number, { is64: boolean; littleEndian: boolean }>> = {
  4277009102: { is64: false, littleEndian: false },
  4277009103: { is64: true, littleEndian: false },
  3472551422: { is64: false, littleEndian: true },
  3489328638: { is64: true, littleEndian: true },
};

const magicOf = ([a = 0, b = 0, c = 0, d = 0]: Uint8Array): number => ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;

export const isThinMacho = (bytes: Uint8Array): boolean => MAGICS[magicOf(bytes)] !== undefined;

/**
 * Headers and sections of a Mach-O file of one architecture.
 * @throws Malformed
 */
export function machoLayout(bytes: Uint8Array): Layout {
  const kind = MAGICS[magicOf(bytes)];
  if (kind === undefined) throw new Malformed('it has no Mach-O header');
  const { is64, littleEndian } = kind;
  const view = new ByteView(bytes, littleEndian);
  const header = is64 ? 32 : 28;
  const cpu = view.u32(4);
  const type = view.u32(12);
  const commandsSize = view.u32(20);
  view.require(0, header + commandsSize, 'its header with load commands');
  const found: Found = { regions: [], sections: [], symbols: undefined };
  readCommands(view, is64, header, found);
  const [narrow, wide] = MACHINES[(cpu & ~WIDTHS) >>> 0] ?? [`machine_${hex(cpu)}`, `machine_${hex(cpu)}`];
  return {
    regions: [
      { start: 0, end: header, label: 'macho_header' },
      { start: header, end: header + commandsSize, label: 'macho_load_commands' },
      ...found.regions,
    ],
    meta: {
      format: 'macho',
      object_type: TYPES[type] ?? hex(type),
      arch: (cpu & WIDE) === 0 ? narrow : wide,
      bits: is64 ? 64 : 32,
      endianness: littleEndian ? 'little' : 'big',
    },
    functions: () => functionsOf(view, is64, found),
  };
}

function readCommands(view: ByteView, is64: boolean, first: number, found: Found): void {
  const end = first + view.u32(20);
  let at = first;
  for (let index = 0; index < view.u32(16); index++) {
    if (at + 8 > end) throw new Malformed('it has fewer load commands than it says');
    const command = view.u32(at);
    const size = view.u32(at + 4);
    if (size < 8 || at + size > end) throw new Malformed(`its load command ${index + 1} has ${size} bytes`);
    const within = new ByteView(view.bytes.subarray(at, at + size), view.littleEndian);
    if (command === (is64 ? SEGMENT_64 : SEGMENT)) readSegment(within, is64, found);
    else if (command === SYMBOLS) readSymbolTable(within, is64, found);
    else {
      for (const { label, at: place, each } of TABLES[command] ?? []) {
        const start = within.u32(place);
        found.regions.push({ start, end: start + each * within.u32(place + 4), label });
      }
    }
    at += size;
  }
}

function readSegment(view: ByteView, is64: boolean, found: Found): void {
  const count = view.u32(is64 ? 64 : 48);
  const each = is64 ? 80 : 68;
  requireSections(found.sections.length + count);
  for (let index = 0; index < count; index++) {
    const at = (is64 ? 72 : 56) + index * each;
    view.require(at, each, 'a section header');
    const name = view.name(at, at + 16);
    const segment = view.name(at + 16, at + 32);
    const address = view.word(at + 32, is64);
    const size = view.word(at + (is64 ? 40 : 36), is64);
    const offset = view.u32(at + (is64 ? 48 : 40));
    const relocations = view.u32(at + (is64 ? 56 : 48));
    const relocationCount = view.u32(at + (is64 ? 60 : 52));
    const flags = view.u32(at + (is64 ? 64 : 56));
    found.sections.push({ address, offset, size });
    found.regions.push({ start: relocations, end: relocations + 8 * relocationCount, label: 'macho_relocations' });
    // files of debug symbols name the sections of their program without having them
    if (EMPTY.includes(flags & 0xff) || offset === 0) continue;
    found.regions.push({
      start: offset,
      end: offset + size,
      label: `macho_section_${labelName(segment)}_${labelName(name)}`,
      meta: {
        name: `${segment},${name}`,
        type: SECTION_TYPES[flags & 0xff] ?? hex(flags & 0xff),
        flags: hex(flags),
        address: view.hex(at + 32, is64),
        offset,
        size,
      },
      executable: (flags & INSTRUCTIONS) !== 0,
    });
  }
}

function readSymbolTable(view: ByteView, is64: boolean, found: Found): void {
  const at = view.u32(8);
  const count = view.u32(12);
  const names = view.u32(16);
  const namesEnd = names + view.u32(20);
  found.regions.push(
    { start: at, end: at + count * (is64 ? 16 : 12), label: 'macho_symbols', meta: { count } },
    { start: names, end: namesEnd, label: 'macho_strings' },
  );
  found.symbols ??= { at, count, names, namesEnd };
}

/** Bits of `n_type`: debugging entries, what is defined in a section, and what others may see. */
const DEBUGGING = 0xe0;
const KIND = 0x0e;
const IN_SECTION = 0x0e;
const EXTERNAL = 0x01;

/** What others may see first: where an assembler has set a label of its own, that is not the name. */
function* functionsOf(view: ByteView, is64: boolean, found: Found): Generator<FunctionStart> {
  yield* symbolsOf(view, is64, found, EXTERNAL);
  yield* symbolsOf(view, is64, found, 0);
}

function* symbolsOf(
  view: ByteView,
  is64: boolean,
  { sections, symbols }: Found,
  visibility: number,
): Generator<FunctionStart> {
  if (symbols === undefined) return;
  const each = is64 ? 16 : 12;
  const namesEnd = Math.min(view.length, symbols.namesEnd);
  for (let index = 0; index < symbols.count; index++) {
    const at = symbols.at + index * each;
    if (at + each > view.length) return;
    const type = view.u8(at + 4);
    if ((type & DEBUGGING) !== 0 || (type & KIND) !== IN_SECTION || (type & EXTERNAL) !== visibility) continue;
    const home = sections[view.u8(at + 5) - 1];
    if (home === undefined || home.offset === 0) continue;
    const within = view.word(at + 8, is64) - home.address;
    if (within < 0 || within >= home.size) continue;
    yield { at: home.offset + within, name: view.name(symbols.names + view.u32(at), namesEnd) };
  }
}
