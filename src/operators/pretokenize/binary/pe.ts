import { ByteView, hex, Malformed } from './byteView.ts';
import { type FunctionStart, type Layout, labelName, type Region, requireSections } from './regions.ts';

/** `Machine` (PE format specification), and bits of an address. */
const MACHINES: Readonly<Record<number, readonly [arch: string, bits: 32 | 64]>> = {
  332: ['x86', 32],
  34404: ['x86_64', 64],
  448: ['arm', 32],
  452: ['arm', 32],
  43620: ['aarch64', 64],
  42561: ['arm64ec', 64],
  512: ['ia64', 64],
  20530: ['riscv', 32],
  20580: ['riscv', 64],
  25188: ['loongarch', 64],
};
const PE32 = 0x10b;
const PE32_PLUS = 0x20b;
const FILE_HEADER = 20;
const SECTION_HEADER = 40;
const RELOCATION = 10;
const LINE_NUMBER = 6;
const SYMBOL = 18;
/** `Characteristics` of a file. */
const EXECUTABLE = 0x0002;
const DLL = 0x2000;
/** `Characteristics` of a section. */
const CODE = 0x20;
const UNINITIALIZED = 0x80;
const MORE_RELOCATIONS = 0x01000000;
const RUN = 0x20000000;
/** Data directories: exports, and certificates, which alone are at a place of the file and not of memory. */
const EXPORTS = 0;
const CERTIFICATES = 4;
/** Type of symbols that are functions. */
const FUNCTION = 0x20;

interface Section {
  readonly name: string;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly flags: number;
}

interface Coff {
  readonly view: ByteView;
  /** Where the file header is. */
  readonly header: number;
  readonly sections: readonly Section[];
  readonly symbols: { readonly at: number; readonly count: number };
}

export const isMz = ([m, z]: Uint8Array): boolean => m === 0x4d && z === 0x5a;

/**
 * Headers and sections of a Windows program or library.
 * @throws Malformed
 */
export function peLayout(bytes: Uint8Array): Layout {
  const view = new ByteView(bytes, true);
  const signature = view.u32(60);
  if (signature < 64 || view.u32(signature) !== 0x4550) throw new Malformed('it has no PE header');
  return layout(view, signature + 4, [
    { start: 0, end: 64, label: 'pe_dos_header' },
    { start: 64, end: signature, label: 'pe_dos_stub' },
  ]);
}

/**
 * Headers and sections of a COFF object file, which begins with nothing but the number of a processor; undefined where one of
 * its numbers cannot be.
 */
export function coffLayout(bytes: Uint8Array): Layout | undefined {
  const view = new ByteView(bytes, true);
  if (view.length < FILE_HEADER || MACHINES[view.u16(0)] === undefined) return undefined;
  const count = view.u16(2);
  const symbols = view.u32(8);
  if (count === 0 || view.u16(16) !== 0 || (view.u16(18) & EXECUTABLE) !== 0 || symbols > view.length) return undefined;
  try {
    for (let index = 0; index < count; index++) {
      const header = FILE_HEADER + index * SECTION_HEADER;
      view.require(header, SECTION_HEADER, 'a section header');
      const offset = view.u32(header + 20);
      const hasBytes = (view.u32(header + 36) & UNINITIALIZED) === 0 && offset !== 0;
      if (view.u32(header + 8) !== 0 || view.u32(header + 12) !== 0) return undefined;
      if (hasBytes) view.require(offset, view.u32(header + 16), 'a section');
    }
    return layout(view, 0, []);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function layout(view: ByteView, header: number, before: readonly Region[]): Layout {
  const machine = view.u16(header);
  const count = view.u16(header + 2);
  const symbols = { at: view.u32(header + 8), count: view.u32(header + 12) };
  const optional = header + FILE_HEADER;
  const optionalSize = view.u16(header + 16);
  const flags = view.u16(header + 18);
  const magic = optionalSize < 2 ? 0 : view.u16(optional);
  const headers = optional + optionalSize;
  requireSections(count);
  view.require(headers, count * SECTION_HEADER, 'its table of sections');
  const [arch, bits] = MACHINES[machine] ?? [`machine_${hex(machine)}`, magic === PE32_PLUS ? 64 : 32];
  const coff: Coff = { view, header, symbols, sections: readSections(view, headers, count, symbols) };
  const prefix = before.length === 0 ? 0 : header - 4;
  return {
    regions: [
      ...before,
      { start: prefix, end: headers, label: 'pe_header' },
      { start: headers, end: headers + count * SECTION_HEADER, label: 'pe_section_headers' },
      ...coff.sections.map(regionOf),
      ...tables(coff, headers),
      ...certificates(coff, magic),
    ],
    meta: {
      format: before.length === 0 ? 'coff' : 'pe',
      object_type: (flags & DLL) !== 0 ? 'shared' : (flags & EXECUTABLE) !== 0 ? 'executable' : 'relocatable',
      arch,
      bits: magic === PE32_PLUS ? 64 : magic === PE32 ? 32 : bits,
      endianness: 'little',
    },
    functions: () => functionsOf(coff, magic),
  };
}

const stringsOf = ({ at, count }: Coff['symbols']): number => (at === 0 ? 0 : at + count * SYMBOL);

function readSections(view: ByteView, headers: number, count: number, symbols: Coff['symbols']): Section[] {
  const sections: Section[] = [];
  for (let index = 0; index < count; index++) {
    const header = headers + index * SECTION_HEADER;
    const short = view.name(header, header + 8);
    const flags = view.u32(header + 36);
    const offset = view.u32(header + 20);
    // names above eight characters are in the strings of the symbols, here is where
    const inStrings = /^\/(\d+)$/.exec(short)?.[1];
    const long = inStrings === undefined || symbols.at === 0 ? '' : view.name(stringsOf(symbols) + Number(inStrings));
    sections.push({
      name: long || short,
      address: view.u32(header + 12),
      offset,
      size: offset === 0 ? 0 : view.u32(header + 16),
      flags,
    });
  }
  return sections;
}

const regionOf = ({ name, address, offset, size, flags }: Section): Region => ({
  start: offset,
  end: offset + size,
  label: `pe_section_${labelName(name)}`,
  meta: { name, flags: hex(flags), address: hex(address), offset, size },
  executable: (flags & (CODE | RUN)) !== 0,
});

/** What lies outside of sections in object files: relocations and line numbers of each, symbols and their names. */
function tables({ view, sections, symbols }: Coff, headers: number): Region[] {
  const regions: Region[] = [];
  for (const [index, { name, flags }] of sections.entries()) {
    const header = headers + index * SECTION_HEADER;
    const relocations = view.u32(header + 24);
    const lines = view.u32(header + 28);
    let count = view.u16(header + 32);
    // where they are too many for 16 bits, the first tells how many
    if ((flags & MORE_RELOCATIONS) !== 0 && count === 0xffff) count = view.u32(relocations);
    regions.push(
      { start: relocations, end: relocations + count * RELOCATION, label: 'pe_relocations', meta: { name } },
      { start: lines, end: lines + view.u16(header + 34) * LINE_NUMBER, label: 'pe_line_numbers', meta: { name } },
    );
  }
  const strings = stringsOf(symbols);
  if (strings === 0) return regions;
  regions.push({ start: symbols.at, end: strings, label: 'pe_symbols', meta: { count: symbols.count } });
  if (strings + 4 <= view.length)
    regions.push({ start: strings, end: strings + view.u32(strings), label: 'pe_strings' });
  return regions;
}

/** Place and size of a data directory; a place in memory, but for certificates. */
function directory({ view, header }: Coff, magic: number, index: number): { at: number; size: number } | undefined {
  if (magic !== PE32 && magic !== PE32_PLUS) return undefined;
  const optional = header + FILE_HEADER;
  const first = optional + (magic === PE32_PLUS ? 112 : 96);
  const end = optional + view.u16(header + 16);
  if (first + 8 * (index + 1) > end || view.u32(first - 4) <= index) return undefined;
  return { at: view.u32(first + 8 * index), size: view.u32(first + 8 * index + 4) };
}

function certificates(coff: Coff, magic: number): Region[] {
  const found = directory(coff, magic, CERTIFICATES);
  if (found === undefined || found.at === 0) return [];
  return [{ start: found.at, end: found.at + found.size, label: 'pe_certificates' }];
}

/** Sections of a program that addresses are looked for in: Windows loads no more. */
const MAX_LOADED = 96;

/** Functions among the symbols, then those that are exported. */
function* functionsOf(coff: Coff, magic: number): Generator<FunctionStart> {
  const { view, sections, symbols } = coff;
  const strings = stringsOf(symbols);
  for (let index = 0; strings !== 0 && index < symbols.count; ) {
    const at = symbols.at + index * SYMBOL;
    if (at + SYMBOL > view.length) break;
    const home = sections[view.u16(at + 12) - 1];
    const value = view.u32(at + 8);
    if (home !== undefined && view.u16(at + 14) === FUNCTION && value < home.size) {
      const name = view.u32(at) === 0 ? view.name(strings + view.u32(at + 4)) : view.name(at, at + 8);
      yield { at: home.offset + value, name };
    }
    index += 1 + view.u8(at + 17);
  }
  yield* exported(coff, magic);
}

function* exported(coff: Coff, magic: number): Generator<FunctionStart> {
  const { view } = coff;
  const sections = coff.sections.slice(0, MAX_LOADED);
  const found = directory(coff, magic, EXPORTS);
  const placed = (address: number): number | undefined => {
    const home = sections.find((one) => address >= one.address && address < one.address + one.size);
    return home === undefined ? undefined : home.offset + address - home.address;
  };
  const at = found === undefined || found.at === 0 ? undefined : placed(found.at);
  if (at === undefined || at + 40 > view.length) return;
  const addresses = placed(view.u32(at + 28));
  const names = placed(view.u32(at + 32));
  const ordinals = placed(view.u32(at + 36));
  if (addresses === undefined || names === undefined || ordinals === undefined) return;
  for (let index = 0; index < view.u32(at + 24); index++) {
    if (names + 4 * index + 4 > view.length || ordinals + 2 * index + 2 > view.length) return;
    const address = addresses + 4 * view.u16(ordinals + 2 * index);
    const start = address + 4 > view.length ? undefined : placed(view.u32(address));
    const name = placed(view.u32(names + 4 * index));
    if (start !== undefined && name !== undefined) yield { at: start, name: view.name(name) };
  }
}
