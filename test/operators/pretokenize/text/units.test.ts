import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pretokenize } from '../../../../src/operators/pretokenize.ts';
import { awkwardText } from '../../../tokenizers/fixtures.ts';
import { segmentsIn, textOf, tiles } from './unitsSupport.ts';

const written = awkwardText.filter((text) => text !== '');
const as = (units: 'characters' | 'graphemes' | 'words') => ({ modality: 'text' as const, text: { units } });
/** What no text has that is told from other charsets by its content. */
const asUtf8 = { modality: 'text' as const, invalidText: 'keep' as const };

describe('characters', () => {
  it('are the code points of a text, each with its own bytes', async () => {
    await fc.assert(
      fc.asyncProperty(written, async (text) => {
        const segments = await segmentsIn(text, as('characters'));
        expect(segments.map(textOf)).toEqual([...text]);
        expect(tiles(segments, Buffer.from(text))).toBe(true);
        expect(new Set(segments.map(({ label }) => label))).toEqual(new Set(['char']));
      }),
    );
  });

  it('of damaged text that is kept are those that there are, and the bytes between', async () => {
    const bytes = Buffer.from([0x61, 0xe2, 0x82, 0xc3, 0xa9, 0xff, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0x80, 0xc3]);
    const segments = await segmentsIn(bytes, { ...as('characters'), ...asUtf8 });
    expect(segments.map((segment) => segment.bytes.length)).toEqual([1, 1, 1, 2, 1, 4, 1, 1, 1, 1]);
    expect(tiles(segments, bytes)).toBe(true);
    await expect(segmentsIn(bytes, as('characters'))).rejects.toMatchObject({ code: 'INVALID_UTF8' });
  });

  it('of any bytes that are to be text tile them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), async (bytes) => {
        fc.pre(bytes[0] !== 0xff && bytes[0] !== 0xfe && !bytes.includes(0) && !bytes.includes(0x1b));
        const options = { ...as('characters'), ...asUtf8 };
        const segments = await segmentsIn(bytes, options).catch(() => undefined);
        // what looks like another charset and is not valid in it
        if (segments !== undefined) expect(tiles(segments, bytes)).toBe(true);
      }),
    );
  });

  it.each<[string, number[]]>([
    ['utf-16le', [2, 2, 2, 2, 4, 2]],
    ['utf-16be', [2, 2, 2, 2, 4, 2]],
    ['utf-32le', [4, 4, 4, 4, 4, 4]],
  ])('of %s are those of that charset, its mark one of them', async (charset, lengths) => {
    const text = '\ufeffaé漢😀\n';
    const utf16 = Buffer.from(text, 'utf16le');
    const utf32 = Buffer.from(Uint32Array.from([...text], (char) => char.codePointAt(0) ?? 0).buffer);
    const bytes = charset === 'utf-16be' ? utf16.swap16() : charset === 'utf-16le' ? utf16 : utf32;
    const segments = await segmentsIn(bytes, as('characters'));
    expect(segments.map((segment) => segment.bytes.length)).toEqual(lengths);
    expect(tiles(segments, bytes)).toBe(true);
    expect(segments[0]?.meta).toEqual({ charset });
  });

  it.each<[string, number[], string, number[]]>([
    ['windows-1251', [0xcf, 0xf0, 0x21], 'Пр!', [1, 1, 1]],
    ['shift_jis', [0x93, 0xfa, 0x61, 0xb1, 0x96, 0x7b], '日aｱ本', [2, 1, 1, 2]],
    ['euc-jp', [0x8e, 0xb1, 0x8f, 0xb0, 0xa1, 0xc6, 0xfc, 0x61], 'ｱ丂日a', [2, 3, 2, 1]],
    ['gb18030', [0x81, 0x39, 0xef, 0x30, 0xce, 0xd2, 0x61], '㐁我a', [4, 2, 1]],
    ['big5', [0xa7, 0xda, 0xa4, 0x40, 0x61], '我一a', [2, 2, 1]],
    ['euc-kr', [0xb0, 0xa1, 0x61], '가a', [2, 1]],
    ['iso-2022-jp', [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x4b, 0x5c, 0x1b, 0x28, 0x42, 0x61], '日本a', [5, 2, 4]],
  ])('of %s have its widths', async (charset, values, text, lengths) => {
    const bytes = Buffer.from(values);
    const options = { ...as('characters'), fallbackCharset: charset };
    const kept = await segmentsIn(bytes, options);
    expect(kept.map((segment) => segment.bytes.length)).toEqual(lengths);
    expect(tiles(kept, bytes)).toBe(true);
    const derived = await segmentsIn(bytes, { ...options, charset: 'utf-8' });
    expect(derived.map(textOf).join('')).toBe(text);
    for (const { origin } of derived) expect(origin.derived).toBe(`${charset} -> utf-8`);
    const ends = kept.map(({ origin }) => origin.end);
    expect(derived.every(({ origin }) => ends.includes(origin.end))).toBe(true);
    expect(derived.at(-1)?.origin.end).toBe(bytes.length);
  });

  it('are refused where the bytes mean nothing in the charset', async () => {
    const options = { ...as('characters'), fallbackCharset: 'shift_jis' };
    await expect(segmentsIn(Buffer.from([0x61, 0x93]), options)).rejects.toMatchObject({ code: 'INVALID_TEXT' });
  });

  it('are charged before there is room for them', async () => {
    const limits = { decodedBytes: 1 << 16 };
    await expect(segmentsIn('x'.repeat(1 << 14), { ...as('characters'), limits })).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
    expect(await segmentsIn('x'.repeat(1 << 12), { ...as('characters'), limits })).toHaveLength(1 << 12);
  });

  it('go on in text that was taken out of a page', async () => {
    const page = '<!doctype html><html><body><h1>Hé</h1></body></html>';
    const segments = await segmentsIn(page, { text: { units: 'characters', markup: 'text' } }, 'page.html');
    expect(segments.map(textOf).join('').trim()).toContain('Hé');
    expect(segments.every((segment) => [...textOf(segment)].length === 1)).toBe(true);
    expect(segments[0]?.origin.derived).toContain('html');
  });

  it('go on in text that was normalised', async () => {
    const segments = await segmentsIn('cafe\u0301', { text: { units: 'characters', normalise: 'NFC' } });
    expect(segments.map(textOf)).toEqual(['c', 'a', 'f', 'é']);
    const same = await segmentsIn('café', { text: { units: 'characters', normalise: 'NFC' } });
    expect(tiles(same, Buffer.from('café'))).toBe(true);
  });
});

describe.each(['graphemes', 'words'] as const)('%s', (units) => {
  const granularity = units === 'words' ? 'word' : 'grapheme';

  it('are those of the whole text, however it is divided for the work', async () => {
    const segmenter = new Intl.Segmenter('und', { granularity });
    const long = fc.array(written, { minLength: 1, maxLength: 30 }).map((texts) => texts.join('\n'));
    await fc.assert(
      fc.asyncProperty(long, async (text) => {
        const segments = await segmentsIn(text, as(units));
        expect(segments.map(textOf)).toEqual([...segmenter.segment(text)].map(({ segment }) => segment));
        expect(tiles(segments, Buffer.from(text))).toBe(true);
      }),
      { numRuns: 60 },
    );
    const large = `${'ASCII only\r\n'.repeat(9000)}then 漢字 e\u0301\r\n${'and so on. '.repeat(20_000)}`;
    const segments = await segmentsIn(large, as(units));
    expect(segments.map(textOf)).toEqual([...segmenter.segment(large)].map(({ segment }) => segment));
  });

  it('tile damaged text that is kept', async () => {
    const bytes = Buffer.concat([Buffer.from('wörd'), Buffer.from([0xff, 0xfe]), Buffer.from(' two ü\n')]);
    const segments = await segmentsIn(bytes, { ...as(units), ...asUtf8 });
    expect(tiles(segments, bytes)).toBe(true);
  });

  it('are cut where they are longer than a segment may be', async () => {
    const text = `a${'\u0301'.repeat(500)}b`;
    const segments = await segmentsIn(text, { ...as(units), maxSegmentBytes: 64 });
    expect(tiles(segments, Buffer.from(text))).toBe(true);
    expect(Math.max(...segments.map((segment) => segment.bytes.length))).toBeLessThanOrEqual(64);
    for (const segment of segments) expect(textOf(segment)).not.toContain('\ufffd');
  });
});

it('words have what stands between them apart', async () => {
  const segments = await segmentsIn("It can't be 3.14!", as('words'));
  expect(segments.map((segment) => [textOf(segment), segment.label])).toEqual([
    ['It', 'word'],
    [' ', 'text_gap'],
    ["can't", 'word'],
    [' ', 'text_gap'],
    ['be', 'word'],
    [' ', 'text_gap'],
    ['3.14', 'word'],
    ['!', 'text_gap'],
  ]);
});

it('refuses units that there are not', () => {
  for (const units of ['bytes', 5, {}, { tokenizer: 5 }, null]) {
    const text = { units: units as 'characters' };
    expect(() => pretokenize({ text }), JSON.stringify(units)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  }
});
