import { describe, expect, it } from 'vitest';
import { cut, PARSED, shown, sourceOf } from './support.ts';

/** What the sources in test/fixtures/media/code consist of, read off by eye. */
const DEFINITIONS: Readonly<Record<string, readonly string[]>> = {
  rust: 'use_declaration, const_item MOST, struct_item Count, impl_item Count, macro_definition twice, function_item count, function_item main'.split(
    ', ',
  ),
  python:
    'code_gap, import_from_statement, function_definition mean, class_definition Table, decorated_definition decorated, function_definition load, code_gap'.split(
      ', ',
    ),
  javascript:
    'import_statement, export_statement joined, lexical_declaration cache, class_declaration Reader, generator_function_declaration numbers, export_statement Reader, lexical_declaration reader, code_gap'.split(
      ', ',
    ),
  typescript:
    "import_statement, export_statement FileFacts, type_alias_declaration Order, export_statement Kind, internal_module Sizes, ambient_declaration 'elsewhere', export_statement Lister, export_statement factsOf".split(
      ', ',
    ),
  tsx: 'import_statement, interface_declaration Props, export_statement Button, export_statement App'.split(', '),
  java: 'import_declaration, class_declaration Tree, interface_declaration Visitor, record_declaration Pair, enum_declaration Order'.split(
    ', ',
  ),
  c: 'preproc_include, preproc_def SIZE, preproc_function_def MASK, struct_specifier ring, type_definition byte_t, declaration shared, function_definition dump, function_definition put, function_definition main'.split(
    ', ',
  ),
  cpp: 'preproc_include, class_specifier Shape, class_specifier Square, template_declaration largest, alias_declaration Squares, enum_specifier Colour, function_definition main'.split(
    ', ',
  ),
  csharp:
    'using_directive, class_declaration Account, interface_declaration ILedger, struct_declaration Entry, enum_declaration State, class_declaration Program'.split(
      ', ',
    ),
  go: 'import_declaration, var_declaration ErrEmpty, const_declaration most, type_declaration Queue, function_declaration New, method_declaration Take, function_declaration Show'.split(
    ', ',
  ),
  ruby: 'code_gap, module Shop, class Basket, method load_items, code_gap'.split(', '),
  php: 'namespace_use_declaration, const_declaration, class_declaration Message, interface_declaration Sender, function_definition shorten, code_gap'.split(
    ', ',
  ),
  swift:
    'import_declaration, class_declaration Point, protocol_declaration Shape, class_declaration Point, class_declaration Circle, typealias_declaration Pair, function_declaration longest, property_declaration origin'.split(
      ', ',
    ),
  dart: 'import_or_export, class_definition Counter, mixin_declaration Loud, enum_declaration Speed, extension_declaration Twice, function_signature later, function_signature main'.split(
    ', ',
  ),
  solidity:
    'pragma_directive, error_declaration TooLittle, interface_declaration IVault, contract_declaration Vault, library_declaration Maths'.split(
      ', ',
    ),
  css: 'import_statement, rule_set, rule_set, media_statement, keyframes_statement fade'.split(', '),
  vue: 'template_element, script_element, style_element'.split(', '),
  shell: 'code_gap, function_definition log, function_definition prune, code_gap'.split(', '),
  powershell: 'function_statement Get-OldFile, class_statement Report, enum_statement Level, code_gap'.split(', '),
};

describe('outermost definitions', () => {
  it.each(PARSED)('of %s are segments, and so is what lies between them', async (language) => {
    const segments = await cut(sourceOf(language).bytes, language);
    expect(shown(segments)).toEqual(DEFINITIONS[language]);
    for (const { bytes, meta } of segments) {
      if (typeof meta['name'] === 'string') expect(bytes.toString()).toContain(meta['name']);
      expect(meta['has_error']).toBe(false);
    }
  });

  it('have comments and attributes right above them, and what is behind them on the line', async () => {
    const source = [
      '// About the file.\n\n',
      '// About one.\n#[inline]\nfn one() -> u64 { 1111111111111111111111111111111111 } // so it is\n\n',
      'fn two() -> u64 { 2222222222222222222222222222222222222222222222222 }\n',
    ];
    const segments = await cut(source.join(''), 'rust', { minSegmentBytes: 0 });
    expect(segments.map(({ bytes }) => bytes.toString())).toEqual(source);
    expect(shown(segments)).toEqual(['comment', 'function_item one', 'function_item two']);
    expect(segments[1]!.meta).toMatchObject({ node_type: 'function_item', lead_bytes: 24, start_row: 2, start_col: 0 });
  });

  it('stand apart from comments where that is asked for', async () => {
    const source = ['// About one.\n', '#[inline]\nfn one() {}\n\n', '// About two.\n', 'fn two() {}\n'];
    const segments = await cut(source.join(''), 'rust', { minSegmentBytes: 0, comments: 'separate' });
    expect(segments.map(({ bytes }) => bytes.toString())).toEqual(source);
    expect(segments.map(({ label }) => label)).toEqual(['comment', 'function_item', 'comment', 'function_item']);
  });

  it('that are short are joined to those of their kind beside them', async () => {
    const short = 'const A = 1;\nconst B = 2;\nconst C = 3;\n';
    const long = `const D = '${'x'.repeat(100)}';\n`;
    const [first, second, ...none] = await cut(short + long, 'javascript');
    expect(first).toMatchObject({ label: 'lexical_declaration', meta: { nodes: 3 } });
    expect(first!.meta['name']).toBeUndefined();
    expect([first!.bytes.toString(), second!.bytes.toString(), none.length]).toEqual([short, long, 0]);
    expect(shown(await cut(short, 'javascript', { minSegmentBytes: 0 }))).toEqual([
      'lexical_declaration A',
      'lexical_declaration B',
      'lexical_declaration C',
    ]);
  });

  it('in name spaces and conditional compilation are outermost', async () => {
    const guard = '#ifndef A_H\n#define A_H\nnamespace a { namespace b {\nclass C { int x; };\n}}\n#endif\n';
    const segments = await cut(guard, 'cpp', { minSegmentBytes: 0, name: 'a.hpp' });
    expect(shown(segments)).toEqual(['code_gap', 'preproc_def A_H', 'code_gap', 'class_specifier C', 'code_gap']);
  });

  it('of a header of C are those of C++ where it holds C++', async () => {
    const [segment] = await cut('namespace a {\nclass C : public B { int x; };\n}\n', 'c', { name: 'a.h' });
    expect(segment).toMatchObject({ label: 'class_specifier', meta: { language: 'cpp', name: 'C' } });
    expect((await cut('struct a { int b; };\n', 'c', { name: 'a.h' }))[0]!.meta['language']).toBe('c');
  });

  it('longer than a segment may be are cut behind lines', async () => {
    const source = `fn long() {\n${'    call("häuser");\n'.repeat(50)}}\n`;
    const segments = await cut(source, 'rust', { maxSegmentBytes: 256 });
    expect(segments.length).toBeGreaterThan(3);
    for (const { bytes, label, meta } of segments) {
      expect(bytes.length).toBeLessThanOrEqual(256);
      expect([label, meta['name'], bytes.at(-1)]).toEqual(['function_item', 'long', 0x0a]);
    }
  });
});

describe('facts', () => {
  it('name the language, the grammar and its version, and lines and columns in bytes', async () => {
    const segments = await cut('/* ö */ int a; int b(void) { return 10; }\n\n\nint c;\n', 'c', { minSegmentBytes: 0 });
    expect(shown(segments)).toEqual(['declaration a', 'function_definition b', 'declaration c']);
    expect(segments[1]!.meta).toEqual({
      charset: 'utf-8',
      language: 'c',
      parser: expect.stringMatching(
        /^tree-sitter-c \(@repomix\/tree-sitter-wasms \d[\d.]+\), web-tree-sitter \d[\d.]+$/,
      ),
      node_type: 'function_definition',
      name: 'b',
      has_error: false,
      start_row: 0,
      start_col: 16,
      end_row: 3,
      end_col: 0,
    });
  });

  it('say where the parser met what it could not read', async () => {
    const segments = await cut('def good():\n    return 1\n\ndef bad(:\n    return ]\n', 'python', {
      minSegmentBytes: 0,
    });
    expect(segments[0]).toMatchObject({ label: 'function_definition', meta: { name: 'good', has_error: false } });
    expect(segments.some(({ meta }) => meta['has_error'])).toBe(true);
  });
});
