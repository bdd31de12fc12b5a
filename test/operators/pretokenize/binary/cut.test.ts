import fc from 'fast-check';
import { from } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { iterate } from '../../../../src/flow/index.ts';
import { settledBinary } from '../../../../src/operators/pretokenize/binary/options.ts';
import { pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Document, Segment } from '../../../../src/records.ts';
import { cut, fixture } from './cutting.ts';

type Sections = Readonly<Record<string, readonly (readonly [name: string, offset: number, size: number])[]>>;

const sections = JSON.parse(fixture('sections.json').toString()) as Sections;
const functions = JSON.parse(fixture('functions.json').toString()) as Readonly<Record<string, readonly string[]>>;
const files = Object.keys(sections);

const labels = (segments: readonly Segment[]): string[] => segments.map(({ label }) => label);

describe('segments of programs, libraries and object files', () => {
  it.each(files)('are the sections that binutils or LLVM see, each with its own bytes: %s', async (name) => {
    const found = (await cut(fixture(name)))
      .filter(({ label, meta }) => meta.offset !== undefined && !label.startsWith('elf_segment'))
      .map(({ meta, origin }) => ({ name: meta.name, offset: meta.offset, size: meta.size, origin }));
    const expected = (sections[name] ?? []).filter(([, , size]) => size > 0);
    expect(found.map((one) => [one.name, one.offset, one.size]).toSorted()).toEqual(expected.toSorted());
    for (const { offset, size, origin } of found) {
      expect(origin.start).toBe(offset);
      if (!name.startsWith('wasm')) expect(origin.end).toBe(Number(offset) + Number(size));
    }
  });

  it('of ELF are named as in blt-burn, between headers and gaps', async () => {
    expect(labels(await cut(fixture('elf64-program')))).toEqual([
      'elf_header',
      'elf_program_headers',
      'binary_gap',
      'elf_section_.text',
      'binary_gap',
      'elf_section_.rodata',
      'binary_gap',
      'elf_section_.data',
      'elf_section_.symtab',
      'elf_section_.strtab',
      'elf_section_.shstrtab',
      'binary_gap',
      'elf_section_headers',
    ]);
  });

  it('of ELF without sections are what is loaded', async () => {
    const segments = await cut(fixture('elf64-no-sections'));
    expect(labels(segments).filter((label) => label === 'elf_segment_LOAD')).toHaveLength(4);
    expect(segments.at(-1)?.label).toBe('binary_overlay');
    const code = segments.find(({ meta }) => meta.flags === '0x5');
    expect(code?.meta).toMatchObject({ type: 'LOAD', address: '0x401000', offset: 4096 });
  });

  it('of PE have headers, sections and what is appended', async () => {
    const segments = await cut(fixture('pe64-appended.dll'));
    expect(labels(segments)).toEqual([
      'pe_dos_header',
      'pe_dos_stub',
      'pe_header',
      'pe_section_headers',
      'binary_gap',
      'pe_section_.text',
      'pe_section_.data',
      'pe_section_.rdata',
      'pe_section_.edata',
      'pe_section_.idata',
      'binary_overlay',
    ]);
    expect(Buffer.from(segments.at(-1)?.bytes ?? []).toString()).toBe('what an installer appends to itself');
  });

  it('of COFF have long names, relocations, symbols and strings', async () => {
    const segments = await cut(fixture('coff64-object.obj'));
    expect(labels(segments)).toEqual(
      expect.arrayContaining(['pe_section_.text$twice', 'pe_relocations', 'pe_symbols', 'pe_strings']),
    );
    expect(labels(segments)).not.toContain('binary_gap');
  });

  it('of Mach-O with several architectures are those of all, and say of which', async () => {
    const segments = await cut(fixture('macho-fat'));
    const text = segments.filter(({ label }) => label === 'macho_section___TEXT___text');
    expect(text.map(({ meta }) => [meta.arch, meta.bits, meta.arch_offset])).toEqual([
      ['x86_64', 64, 4096],
      ['x86', 32, 8192],
      ['aarch64', 64, 16384],
    ]);
    const thin = ['macho64-intel.o', 'macho32-intel.o', 'macho64-arm.o'].map(async (name) => cut(fixture(name)));
    const separate = (await Promise.all(thin)).flat().filter(({ label }) => label !== 'binary_gap');
    const own = segments.filter(({ meta }) => meta.arch_offset !== undefined);
    expect(own.map(({ label, bytes }) => [label, Buffer.from(bytes)])).toEqual(
      separate.map(({ label, bytes }) => [label, Buffer.from(bytes)]),
    );
  });

  it('of WebAssembly are sections with their ids and sizes, without gaps', async () => {
    expect(labels(await cut(fixture('wasm-object.o')))).toEqual([
      'wasm_header',
      'wasm_section_type',
      'wasm_section_import',
      'wasm_section_function',
      'wasm_section_data_count',
      'wasm_section_code',
      'wasm_section_data',
      'wasm_section_custom_linking',
      'wasm_section_custom_reloc.CODE',
    ]);
  });

  it.each([
    ['elf64-program', 'elf', 'executable', 'x86_64', 64, 'little'],
    ['elf64-library.so', 'elf', 'shared', 'x86_64', 64, 'little'],
    ['elf64-big-endian.o', 'elf', 'relocatable', 's390x', 64, 'big'],
    ['elf32-big-endian.o', 'elf', 'relocatable', 'mips', 32, 'big'],
    ['elf64-arm.o', 'elf', 'relocatable', 'aarch64', 64, 'little'],
    ['pe64-program.exe', 'pe', 'executable', 'x86_64', 64, 'little'],
    ['pe64-library.dll', 'pe', 'shared', 'x86_64', 64, 'little'],
    ['coff32-object.obj', 'coff', 'relocatable', 'x86', 32, 'little'],
    ['coff64-arm.obj', 'coff', 'relocatable', 'aarch64', 64, 'little'],
    ['macho64-arm.o', 'macho', 'relocatable', 'aarch64', 64, 'little'],
    ['macho32-intel.o', 'macho', 'relocatable', 'x86', 32, 'little'],
  ])('%s say what the file is', async (name, format, object_type, arch, bits, endianness) => {
    for (const { meta } of await cut(fixture(name))) {
      expect(meta).toMatchObject({ format, object_type, arch, bits, endianness });
    }
  });

  it('tell of sections their type, flags and address', async () => {
    const text = (await cut(fixture('elf64-program'))).find(({ label }) => label === 'elf_section_.text');
    expect(text?.meta).toMatchObject({ name: '.text', type: 'PROGBITS', flags: '0x6', address: '0x401000' });
    expect(text?.mediaType).toBe('application/octet-stream');
    const data = (await cut(fixture('macho64-intel.o'))).find(({ label }) => label === 'macho_section___DATA___data');
    expect(data?.meta).toMatchObject({ name: '__DATA,__data', type: 'S_REGULAR', address: '0xc' });
  });

  it('are cut where they would be too large', async () => {
    const whole = await cut(fixture('pe64-program.exe'));
    const cutUp = await cut(fixture('pe64-program.exe'), { maxSegmentBytes: 100 });
    expect([...new Set(labels(cutUp))]).toEqual([...new Set(labels(whole))]);
  });
});

describe('sections with code', () => {
  it.each(Object.entries(functions).filter(([, names]) => names.length > 0))(
    'are cut at the functions that the file names: %s',
    async (name, names) => {
      const kept = await cut(fixture(name));
      const segments = await cut(fixture(name), { symbols: 'cut' });
      const found = segments.flatMap(({ meta }) => (typeof meta.symbol === 'string' ? [meta.symbol] : []));
      expect(found).toEqual(expect.arrayContaining([...names]));
      expect([...new Set(labels(segments))]).toEqual([...new Set(labels(kept))]);
      expect(kept.some(({ meta }) => 'symbol' in meta)).toBe(false);
    },
  );

  it('begin with the code of the function', async () => {
    const segments = await cut(fixture('elf64-program'), { symbols: 'cut' });
    const twice = segments.find(({ meta }) => meta.symbol === 'twice');
    // lea eax, [rdi + rdi]; ret
    expect(Buffer.from(twice?.bytes ?? []).toString('hex')).toBe('8d043fc3');
    expect(twice?.meta).toMatchObject({ name: '.text', offset: 4096 });
  });

  it('of Mach-O are cut in each architecture', async () => {
    const segments = await cut(fixture('macho-fat'), { symbols: 'cut' });
    const named = segments.flatMap(({ meta, bytes }) => (meta.symbol ? [[meta.arch, meta.symbol, bytes.length]] : []));
    expect(named).toEqual(
      ['x86_64', 'x86', 'aarch64'].flatMap((arch) => [
        [arch, 'first', 8],
        [arch, 'second', 4],
      ]),
    );
  });

  it('of libraries are cut at what they export', async () => {
    const segments = await cut(fixture('pe64-library.dll'), { symbols: 'cut' });
    const found = segments.flatMap(({ meta }) => (typeof meta.symbol === 'string' ? [meta.symbol] : []));
    expect(found.toSorted()).toEqual(['apply', 'entry']);
  });

  it('of WebAssembly are cut at the bodies of functions, by the names that are kept beside them', async () => {
    const segments = await cut(wasmModule(), { symbols: 'cut' });
    expect(segments.map(({ label, bytes, meta }) => [label, bytes.length, meta.symbol])).toEqual([
      ['wasm_header', 8, undefined],
      ['wasm_section_import', 11, undefined],
      ['wasm_section_code', 3, undefined],
      ['wasm_section_code', 3, 'one'],
      ['wasm_section_code', 4, ''],
      ['wasm_section_custom_name', 19, undefined],
    ]);
  });

  it('options are checked', () => {
    expect(settledBinary()).toEqual({ symbols: 'keep' });
    expect(() => settledBinary({ symbols: 'drop' as 'cut' })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});

/** A module that imports a function and has two, of which the first is named. */
function wasmModule(): Buffer {
  const section = (id: number, content: readonly number[]): number[] => [id, content.length, ...content];
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  return Buffer.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(2, [1, ...name('env'), ...name('f'), 0, 0]),
    ...section(10, [2, 2, 0, 0x0b, 3, 0, 0x01, 0x0b]),
    ...section(0, [...name('name'), 1, 10, 2, 0, ...name('in'), 1, ...name('one')]),
  ]);
}

describe('sections that overlap, or do not come in order', () => {
  /** A 64-bit ELF file of 1,000 bytes whose sections lie where they are said to. */
  function elf(places: readonly (readonly [offset: number, size: number])[]): Buffer {
    const file = Buffer.alloc(1000);
    file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    file.writeUInt16LE(1, 16);
    file.writeUInt16LE(62, 18);
    file.writeBigUInt64LE(64n, 40);
    file.writeUInt16LE(64, 52);
    file.writeUInt16LE(64, 58);
    file.writeUInt16LE(places.length, 60);
    // no section holds names
    file.writeUInt16LE(0xfff0, 62);
    for (const [index, [offset, size]] of places.entries()) {
      const header = 64 + 64 * index;
      file.writeUInt32LE(1, header + 4);
      file.writeBigUInt64LE(BigInt(offset), header + 24);
      file.writeBigUInt64LE(BigInt(size), header + 32);
    }
    return file;
  }

  const ranges = (segments: readonly Segment[]): [number, number, number | undefined][] =>
    segments
      .filter(({ label }) => label.startsWith('elf_section_unknown'))
      .map(({ origin, meta }) => [origin.start, origin.end, meta.offset as number]);

  it('a byte belongs to the section that begins first', async () => {
    const segments = await cut(
      elf([
        [700, 100],
        [500, 150],
        [600, 150],
        [510, 20],
      ]),
    );
    expect(ranges(segments)).toEqual([
      [500, 650, 500],
      [650, 750, 600],
      [750, 800, 700],
    ]);
  });

  it('and of those that begin together to the one that is listed first', async () => {
    expect(
      ranges(
        await cut(
          elf([
            [500, 10],
            [500, 30],
          ]),
        ),
      ),
    ).toEqual([
      [500, 510, 500],
      [510, 530, 500],
    ]);
  });

  it('what reaches beyond the file, or lies there, is what is there', async () => {
    const segments = await cut(
      elf([
        [900, 2 ** 40],
        [2 ** 50, 7],
      ]),
    );
    expect(ranges(segments)).toEqual([[900, 1000, 900]]);
    expect(segments.at(-1)?.meta).toMatchObject({ offset: 900, size: 2 ** 40 });
  });

  it('tile the file wherever they lie', async () => {
    const place = fc.tuple(fc.integer({ min: 0, max: 1100 }), fc.integer({ min: 0, max: 1100 }));
    await fc.assert(
      fc.asyncProperty(fc.array(place, { maxLength: 10 }), async (places) => {
        const owners = new Map<number, number>();
        for (const { label, origin, meta } of await cut(elf(places))) {
          if (!label.startsWith('elf_section_unknown')) continue;
          for (let at = origin.start; at < origin.end; at++) owners.set(at, Number(meta.offset));
        }
        const headers = 64 + 64 * places.length;
        for (let at = headers; at < 1000; at++) {
          const holding = places.filter(([offset, size]) => offset <= at && at < offset + size);
          const first = holding.length === 0 ? undefined : Math.min(...holding.map(([offset]) => offset));
          expect(owners.get(at)).toBe(first);
        }
      }),
    );
  });
});

describe('through pretokenize', () => {
  it('programs are told by their bytes, whatever their name, and cut', async () => {
    const segments: Segment[] = [];
    const documents: Document[] = [fixture('elf64-program'), Buffer.from([0, 1, 2, 3])].map((bytes, ordinal) => ({
      id: `${ordinal}`,
      source: { split: '00000', uri: `${ordinal}.txt`, position: { ordinal } },
      bytes,
      meta: {},
    }));
    for await (const segment of iterate(from(documents).pipe(pretokenize({ binary: { symbols: 'cut' } })))) {
      segments.push(segment);
    }
    const [elf, unknown] = ['0', '1'].map((id) => segments.filter(({ document }) => document.id === id));
    expect(elf?.map(({ label, meta }) => [label, meta.symbol])).toEqual(
      expect.arrayContaining([
        ['elf_header', undefined],
        ['elf_section_.text', 'apply'],
      ]),
    );
    expect(elf?.[0]).toMatchObject({ modality: 'binary', mediaType: 'application/x-elf' });
    expect(Buffer.concat((elf ?? []).map(({ bytes }) => bytes))).toEqual(fixture('elf64-program'));
    expect(unknown?.map(({ label, mediaType }) => [label, mediaType])).toEqual([
      ['unknown_binary', 'application/octet-stream'],
    ]);
  });
});

describe('what is no program', () => {
  it.each([
    ['nothing known', Buffer.from([0, 1, 2, 3, 4, 5, 6, 7])],
    ['a Java class', Buffer.from('cafebabe0000003400', 'hex')],
    ['one byte', Buffer.from([0x7f])],
  ])('is one segment: %s', async (_what, bytes) => {
    const segments = await cut(bytes);
    expect(labels(segments)).toEqual(['unknown_binary']);
    expect(segments[0]?.meta).toEqual({});
  });

  it.each([
    ['elf64-program', 30],
    ['elf64-program', 63],
    ['elf64-program', 9000],
    ['pe64-program.exe', 62],
    ['pe64-program.exe', 400],
    ['macho64-arm.o', 20],
    ['macho64-arm.o', 300],
    ['macho-fat', 16_500],
    ['wasm-object.o', 100],
  ])('is one segment that says why: %s, of which %i bytes are left', async (name, length) => {
    const segments = await cut(fixture(name).subarray(0, length));
    expect(labels(segments)).toEqual(['unknown_binary']);
    expect(segments[0]?.meta).toEqual({ parse_error: expect.stringMatching(/\d/) });
  });

  it('may be one architecture alone', async () => {
    const fat = Buffer.from(fixture('macho-fat'));
    fat.writeUInt32LE(0xffffffff, 8192 + 20);
    const segments = await cut(fat);
    expect(segments.find(({ label }) => label === 'unknown_binary')).toMatchObject({
      origin: { start: 8192, end: 8596 },
      meta: { parse_error: expect.any(String) },
    });
    expect(labels(segments).filter((label) => label === 'macho_section___TEXT___text')).toHaveLength(2);
  });
});

describe('damaged files', () => {
  /** Numbers that are the same in every run (xorshift). */
  function numbers(seed: number): () => number {
    let state = seed;
    return () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state >>> 0;
    };
  }

  it.each(files)('always tile, with bytes changed: %s', async (name) => {
    const whole = fixture(name);
    const next = numbers(whole.length);
    const headers = Math.min(whole.length, 700);
    for (let round = 0; round < 250; round++) {
      const bytes = Buffer.from(whole);
      for (let change = next() % 6; change >= 0; change--) {
        const at = next() % (change % 2 === 0 ? headers : bytes.length);
        if (next() % 4 === 0 && at + 4 <= bytes.length) bytes.writeUInt32LE(next(), at);
        else bytes[at] = next() % 3 === 0 ? 0xff : next() & 0xff;
      }
      await cut(bytes, { symbols: round % 2 === 0 ? 'cut' : 'keep' });
    }
  });

  it.each(files)('always tile, cut off anywhere: %s', async (name) => {
    const whole = fixture(name);
    for (let length = 1; length < whole.length; length += Math.ceil(whole.length / 100)) {
      await cut(whole.subarray(0, length), { symbols: 'cut' });
    }
  });

  it('always tile, with random bytes behind every magic', async () => {
    const magics = ['7f454c46', '7f454c460201', '4d5a', 'cffaedfe', 'feedface', 'cafebabe00000002', '0061736d01000000'];
    const magic = fc.constantFrom(...magics, '64860200').map((hex) => Buffer.from(hex, 'hex'));
    await fc.assert(
      fc.asyncProperty(magic, fc.uint8Array({ maxLength: 400 }), async (head, noise) => {
        await cut(Buffer.concat([head, noise]), { symbols: 'cut' });
      }),
      { numRuns: 500 },
    );
  });
});
