import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settledCode } from '../../../../src/operators/pretokenize/code/options.ts';
import { cut, type Given, PARSED, segmentsOf, sourceOf, sources, view } from './support.ts';

const text = (bytes: Uint8Array, charset: string) => new TextDecoder(charset).decode(bytes);

/** Encodes by the inverse of what TextDecoder decodes: one or two bytes a character. */
function encoded(source: string, charset: string): Buffer {
  if (charset === 'utf-16le') return Buffer.from(source, 'utf16le');
  if (charset === 'utf-16be') return Buffer.from(source, 'utf16le').swap16();
  const decoder = new TextDecoder(charset);
  const table = new Map<string, number[]>();
  for (let a = 0; a < 256; a++) table.set(decoder.decode(new Uint8Array([a])), [a]);
  for (let a = 0x81; a < 0xff; a++) {
    for (let b = 0x40; b < 0xff; b++) {
      const char = decoder.decode(new Uint8Array([a, b]));
      if ([...char].length === 1 && !table.has(char)) table.set(char, [a, b]);
    }
  }
  return Buffer.from([...source].flatMap((char) => table.get(char) ?? [0x3f]));
}

const SOURCE = [
  '# Größe, 漢字\nimport os\n\n',
  'def größe(x):\n    """漢字かな漢字かな漢字かな漢字かな"""\n    return x\n\n',
  'class Tür:\n    name = "漢字ü漢字ü漢字ü漢字ü漢字ü漢字ü"\n',
];

describe('text of any charset', () => {
  const cases: [string, string][] = [
    ['utf-8', SOURCE.join('').replaceAll('漢字', '😀')],
    ['utf-16le', SOURCE.join('').replaceAll('漢字', '😀')],
    ['utf-16be', SOURCE.join('')],
    ['windows-1252', SOURCE.join('').replaceAll(/[漢字かな]+/g, 'äß')],
    ['shift_jis', SOURCE.join('').replaceAll(/[öüß]/g, 'o')],
    ['gb18030', SOURCE.join('').replaceAll(/[öüßかな]/g, '漢')],
    ['euc-kr', SOURCE.join('').replaceAll(/[öüßかな]/g, '字')],
  ];

  it.each(cases)('%s is cut where its characters are', async (charset, source) => {
    for (const form of [source, `\ufeff${source}`, source.replaceAll('\n', '\r\n')]) {
      if (form.startsWith('\ufeff') && !charset.startsWith('utf')) continue;
      const bytes = encoded(form, charset === 'utf-8' ? 'utf-8' : charset);
      const own = charset === 'utf-8' ? Buffer.from(form) : bytes;
      const expected = (await cut(Buffer.from(form), 'python')).map(({ bytes, label }) => [label, bytes.toString()]);
      const segments = await cut(own, 'python', { charset });
      const decoder = new TextDecoder(charset, { ignoreBOM: true });
      expect(segments.map(({ bytes, label }) => [label, decoder.decode(bytes)])).toEqual(expected);
      expect(segments.map(({ meta }) => meta['charset'])).toEqual(segments.map(() => charset));
      expect(expected.map(([label]) => label)).toContain('class_definition');
    }
  });

  it('in ISO-2022-JP is cut where its characters are', async () => {
    const kanji = '\x1b$B4A;z\x1b(B';
    const source = `x = "${kanji}"\n\ndef a():\n    return "${kanji.repeat(20)}"\n\ndef b():\n    return "${kanji.repeat(20)}"\n`;
    const segments = await cut(Buffer.from(source, 'latin1'), 'python', { charset: 'iso-2022-jp', minSegmentBytes: 0 });
    expect(segments.map(({ bytes }) => text(bytes, 'iso-2022-jp').split('\n')[0])).toEqual([
      'x = "漢字"',
      'def a():',
      'def b():',
    ]);
  });

  it('can be re-encoded as UTF-8, from ranges that tile the source', async () => {
    const source = SOURCE.join('').replaceAll(/[漢字かな]+/g, 'äß');
    const bytes = encoded(source, 'windows-1252');
    const made = await view(bytes, 'python', { charset: 'windows-1252', transcode: true });
    expect(made.derived).toBe('windows-1252 -> utf-8');
    expect(
      segmentsOf(made, bytes)
        .map(({ bytes }) => bytes.toString())
        .join(''),
    ).toBe(source);
    const { origins, ends } = made.segments;
    expect([...origins!]).toEqual([...ends].flatMap((_, index) => [origins![2 * index], origins![2 * index + 1]]));
    expect(text(bytes.subarray(origins![2], origins![3]), 'windows-1252')).toMatch(/^def größe/);
  });

  it('that is damaged is refused, or keeps its bytes', async () => {
    const bytes = Buffer.concat([
      Buffer.from('x = "ü'),
      Buffer.from([0xff, 0xc3]),
      Buffer.from('"\n\ndef f():\n    pass\n'),
    ]);
    const damage = { offset: 7, guess: undefined };
    await expect(cut(bytes, 'python', { damage })).rejects.toMatchObject({ code: 'INVALID_UTF8' });
    const segments = await cut(bytes, 'python', { damage, keepInvalid: true, minSegmentBytes: 0 });
    expect(segments.map(({ bytes }) => bytes.toString('latin1'))).toEqual([
      'x = "Ã¼\xff\xc3"\n\n',
      'def f():\n    pass\n',
    ]);
  });
});

describe('what is not parsed is taken whole', () => {
  const whole = async (source: string, language: string, given: Given = {}) => {
    const [segment, ...others] = await cut(source, language, given);
    expect([segment!.label, others.length, segment!.bytes.toString()]).toEqual(['code_snippet', 0, source]);
    return segment!.meta;
  };

  it.each([
    ['a language without a grammar', 'kotlin', {}, 'grammar'],
    ['UTF-32', 'python', { charset: 'utf-32le' }, 'charset'],
    ['more bytes than allowed', 'python', { maxParseBytes: 10 }, 'size'],
    ['more steps than allowed', 'python', { maxParseSteps: 1 }, 'steps'],
    ['nothing but white space', 'python', {}, 'empty'],
  ])('%s', async (what, language, given, reason) => {
    const source = what.startsWith('nothing') ? '\n \n\n' : 'x = 1\n'.repeat(400);
    expect(await whole(source, language, given)).toMatchObject({ language, parse: 'skipped', parse_skipped: reason });
  });

  it('by choice', async () => {
    expect(await whole('x = 1\n', 'python', { unit: 'file' })).toEqual({ charset: 'utf-8', language: 'python' });
    expect(await whole('x = 1\n', 'python', { whole: ['python'] })).toEqual({ charset: 'utf-8', language: 'python' });
  });
});

/** Numbers that are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('broken code still tiles', () => {
  it.each(PARSED)('%s: truncated, and with bytes changed, moved and repeated', async (language) => {
    const { bytes } = sourceOf(language);
    const next = numbers(language.length * 7919);
    const given: Given = { keepInvalid: true, damage: { offset: 0, guess: undefined } };
    for (let at = 1; at < bytes.length; at += 61) await cut(bytes.subarray(0, at), language, given);
    for (let round = 0; round < 25; round++) {
      const changed = Buffer.from(bytes);
      for (let count = 1 + next(6); count > 0; count--) {
        const at = next(changed.length);
        const kind = next(3);
        if (kind === 0) changed[at] = next(256);
        else if (kind === 1) changed.copyWithin(at, next(changed.length), next(changed.length));
        else changed.fill('{("\'`;}) \n'[next(10)]!, at, Math.min(changed.length, at + 1 + next(8)));
      }
      await cut(changed, language, {
        ...given,
        minSegmentBytes: next(3) * 40,
        comments: next(2) ? 'attached' : 'separate',
      });
    }
  });

  it('whatever characters it has', async () => {
    const line = fc.constantFrom(
      'def f():',
      ' return "😀"',
      '# ü',
      '',
      '\t',
      'import x',
      '@d',
      'class C: pass',
      '漢',
      '"""',
      ')',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 30 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        async (lines, end) => {
          const source = lines.join(end);
          if (source === '') return;
          const segments = await cut(source, 'python', { minSegmentBytes: 0 });
          expect(segments.map(({ bytes }) => bytes.toString()).join('')).toBe(source);
          for (const { bytes } of segments) expect(bytes.toString()).not.toContain('\ufffd');
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('options', () => {
  it.each([
    [{ unit: 'lines' }],
    [{ comments: 'none' }],
    [{ whole: 'python' }],
    [{ minSegmentBytes: -1 }],
    [{ maxParseBytes: 1.5 }],
    [{ maxParseSteps: Number.NaN }],
  ])('%j is refused', (options) => {
    expect(() => settledCode(options as never)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });

  it('cross to another process as they are', () => {
    const settled = settledCode({ whole: ['css'] });
    expect(structuredClone(settled)).toEqual(settled);
  });

  it('need no more than the sources that are here', () => {
    expect(sources.size).toBe(30);
  });
});
