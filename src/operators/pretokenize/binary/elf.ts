import type { Meta } from '../../../records.ts';
import { ByteView, hex, Malformed } from './byteView.ts';
import { type FunctionStart, type Layout, labelName, type Region, requireSections } from './regions.ts';

/** `e_machine` (System V ABI, generic part, and its processor supplements). */
const MACHINES: Readonly<Record<number, string>> = {
  2: 'sparc',
  3: 'x86',
  4: 'm68k',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  42: 'sh',
  43: 'sparc64',
  50: 'ia64',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv',
  247: 'bpf',
  258: 'loongarch',
};
const ARM = 40;
/** `e_type`. */
const TYPES: Readonly<Record<number, string>> = { 1: 'relocatable', 2: 'executable', 3: 'shared', 4: 'core' };
const RELOCATABLE = 1;
/** `sh_type`, as readelf names them. */
const SECTION_TYPES: Readonly<Record<number, string>> = {
  0: 'NULL',
  1: 'PROGBITS',
  2: 'SYMTAB',
  3: 'STRTAB',
  4: 'RELA',
  5: 'HASH',
  6: 'DYNAMIC',
  7: 'NOTE',
  8: 'NOBITS',
  9: 'REL',
  10: 'SHLIB',
  11: 'DYNSYM',
  14: 'INIT_ARRAY',
  15: 'FINI_ARRAY',
  16: 'PREINIT_ARRAY',
  17: 'GROUP',
  18: 'SYMTAB_SHNDX',
  19: 'RELR',
  1879048181: 'GNU_ATTRIBUTES',
  1879048182: 'GNU_HASH',
  1879048189: 'VERDEF',
  1879048190: 'VERNEED',
  1879048191: 'VERSYM',
};
const SYMTAB = 2;
const NOBITS = 8;
const DYNSYM = 11;
const EXECUTABLE_SECTION = 4;
/** `p_type` of what is loaded. */
const LOAD = 1;
const EXECUTABLE_SEGMENT = 1;
/** Counts that do not fit a half-word stand in the first section header. */
const EXTENDED = 0xffff;
/** `st_info`: functions, and those that are chosen at load time. */
const FUNCTIONS: readonly number[] = [2, 10];
/** Section numbers from here on name no section. */
const RESERVED_SECTIONS = 0xff00;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly meta: Meta;
}

interface Elf {
  readonly view: ByteView;
  readonly is64: boolean;
  readonly sections: readonly Section[];
}

export const isElf = ([a, b, c, d]: Uint8Array): boolean => a === 0x7f && b === 0x45 && c === 0x4c && d === 0x46;

/**
 * Headers and sections of an ELF file (System V ABI), of either width and byte order; its loaded segments where it has no
 * sections.
 * @throws Malformed
 */
export function elfLayout(bytes: Uint8Array): Layout {
  const [, , , , width, order] = bytes;
  if ((width !== 1 && width !== 2) || (order !== 1 && order !== 2))
    throw new Malformed('its class or byte order is unknown');
  const view = new ByteView(bytes, order === 1);
  const is64 = width === 2;
  const type = view.u16(16);
  const machine = view.u16(18);
  const programHeaders = view.word(is64 ? 32 : 28, is64);
  const sectionHeaders = view.word(is64 ? 40 : 32, is64);
  const sizes = is64 ? 52 : 40;
  const headerSize = Math.max(is64 ? 64 : 52, view.u16(sizes));
  view.require(0, headerSize, 'its header');
  const sections = { at: sectionHeaders, each: view.u16(sizes + 6), count: view.u16(sizes + 8) };
  const names = view.u16(sizes + 10);
  const programs = { at: programHeaders, each: view.u16(sizes + 2), count: view.u16(sizes + 4) };
  const elf = { view, is64, sections: readSections(view, is64, sections, names) };
  if (programs.count === EXTENDED && sections.at !== 0) programs.count = view.u32(sections.at + (is64 ? 44 : 28));
  const segments = readSegments(view, is64, programs);
  const regions: Region[] = [
    { start: 0, end: headerSize, label: 'elf_header' },
    { ...span(programs.at, programs.count * programs.each), label: 'elf_program_headers' },
    { ...span(sections.at, elf.sections.length * sections.each), label: 'elf_section_headers' },
    ...(elf.sections.length === 0 ? segments : elf.sections.filter(({ type: kind }) => kind !== NOBITS).map(regionOf)),
  ];
  return {
    regions,
    meta: {
      format: 'elf',
      object_type: TYPES[type] ?? hex(type),
      arch: MACHINES[machine] ?? `machine_${machine}`,
      bits: is64 ? 64 : 32,
      endianness: view.littleEndian ? 'little' : 'big',
    },
    functions: () => functionsOf(elf, type === RELOCATABLE, machine === ARM),
  };
}

const span = (start: number, size: number): Pick<Region, 'start' | 'end'> => ({ start, end: start + size });

interface Table {
  readonly at: number;
  readonly each: number;
  readonly count: number;
}

function readSections(view: ByteView, is64: boolean, { at, each, count }: Table, names: number): Section[] {
  if (at === 0) return [];
  if (each < (is64 ? 64 : 40)) throw new Malformed(`its section headers have ${each} bytes each`);
  const found = count === 0 ? view.word(at + (is64 ? 32 : 20), is64) : count;
  requireSections(found);
  view.require(at, found * each, 'its table of sections');
  const namesAt = at + (names === EXTENDED ? view.u32(at + (is64 ? 40 : 24)) : names) * each;
  const hasNames = namesAt + each <= at + found * each;
  const text = hasNames
    ? span(view.word(namesAt + (is64 ? 24 : 16), is64), view.word(namesAt + (is64 ? 32 : 20), is64))
    : span(0, 0);
  const sections: Section[] = [];
  for (let index = 0; index < found; index++) {
    const header = at + index * each;
    const nameAt = view.u32(header);
    const name = view.name(text.start + nameAt, Math.min(view.length, text.end));
    const type = view.u32(header + 4);
    const address = header + (is64 ? 16 : 12);
    const offset = view.word(header + (is64 ? 24 : 16), is64);
    const size = view.word(header + (is64 ? 32 : 20), is64);
    sections.push({
      name,
      type,
      flags: Number(view.word(header + 8, is64)),
      address: view.word(address, is64),
      offset,
      size,
      link: view.u32(header + (is64 ? 40 : 24)),
      meta: {
        name,
        type: SECTION_TYPES[type] ?? hex(type),
        flags: view.hex(header + 8, is64),
        address: view.hex(address, is64),
        offset,
        size,
      },
    });
  }
  return sections;
}

const regionOf = ({ name, flags, offset, size, meta }: Section): Region => ({
  ...span(offset, size),
  label: `elf_section_${labelName(name)}`,
  meta,
  // flags above 2^53 are those of processors and systems: the lower 32 bits are exact in any case
  executable: ((flags % 2 ** 32) & EXECUTABLE_SECTION) !== 0,
});

function readSegments(view: ByteView, is64: boolean, { at, each, count }: Table): Region[] {
  if (count === 0) return [];
  if (each < (is64 ? 56 : 32)) throw new Malformed(`its program headers have ${each} bytes each`);
  requireSections(count);
  view.require(at, count * each, 'its table of segments');
  const segments: Region[] = [];
  for (let index = 0; index < count; index++) {
    const header = at + index * each;
    if (view.u32(header) !== LOAD) continue;
    const flags = view.u32(header + (is64 ? 4 : 24));
    const offset = view.word(header + (is64 ? 8 : 4), is64);
    const size = view.word(header + (is64 ? 32 : 16), is64);
    segments.push({
      ...span(offset, size),
      label: 'elf_segment_LOAD',
      meta: { type: 'LOAD', flags: hex(flags), address: view.hex(header + (is64 ? 16 : 8), is64), offset, size },
      executable: (flags & EXECUTABLE_SEGMENT) !== 0,
    });
  }
  return segments;
}

/** Functions of the symbol table, or of the dynamic one where that is stripped. */
function* functionsOf({ view, is64, sections }: Elf, relocatable: boolean, thumb: boolean): Generator<FunctionStart> {
  const table = sections.find(({ type }) => type === SYMTAB) ?? sections.find(({ type }) => type === DYNSYM);
  const names = sections[table?.link ?? -1];
  if (table === undefined || names === undefined) return;
  const each = is64 ? 24 : 16;
  const end = Math.min(view.length, table.offset + table.size);
  const namesEnd = Math.min(view.length, names.offset + names.size);
  for (let at = table.offset; at + each <= end; at += each) {
    const section = view.u16(at + (is64 ? 6 : 14));
    if (!FUNCTIONS.includes(view.u8(at + (is64 ? 4 : 12)) & 15) || section === 0 || section >= RESERVED_SECTIONS)
      continue;
    const home = sections[section];
    if (home === undefined || home.type === NOBITS) continue;
    const value = view.word(at + (is64 ? 8 : 4), is64);
    // the lowest bit of an address in ARM code tells the instruction set
    const address = thumb ? value - (value % 2) : value;
    const within = relocatable ? address : address - home.address;
    if (within < 0 || within >= home.size) continue;
    yield { at: home.offset + within, name: view.name(names.offset + view.u32(at), namesEnd) };
  }
}
