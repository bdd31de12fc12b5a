import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PipelineError } from '../../../../src/errors.ts';
import { FORMS } from '../../../../src/operators/pretokenize/text/normalise.ts';
import { pretokenize } from '../../../../src/operators/pretokenize.ts';
import { segments, textOf } from '../../../support/cuts.ts';

const by = (form: string): string => `${form} (Unicode ${process.versions.unicode})`;

/** Text in which marks, jamo and compatibility forms meet the ends of segments. */
const awkward = fc.string({
  unit: fc.constantFrom(
    ...[
      'a',
      'e',
      '\u0301',
      '\u0323',
      '\u0345',
      'é',
      '\u1100',
      '\u1161',
      '\u11a8',
      '각',
      'ﬁ',
      '½',
      'ｶ',
      'ﾞ',
      'Å',
      '😀',
      '\n',
    ],
    '\u0344',
    '\ufeff',
    'क',
    '\u093c',
  ),
  minLength: 1,
  maxLength: 400,
});

describe('text in a normalisation form', () => {
  it.each(FORMS)('(%s) is what the form makes of all of it, wherever it is cut', async (form) => {
    await fc.assert(
      fc.asyncProperty(awkward, fc.integer({ min: 64, max: 200 }), async (text, maxSegmentBytes) => {
        const all = await segments(text, 'x.txt', { maxSegmentBytes, text: { normalise: form } });
        expect(textOf(all)).toBe(text.normalize(form));
        const ends = all.map(({ origin }) => origin.end);
        expect(ends.at(-1)).toBe(Buffer.byteLength(text));
        expect([...ends].sort((a, b) => a - b)).toEqual(ends);
      }),
      { numRuns: 150 },
    );
  });

  it('says how it was derived, and from where', async () => {
    const text = 'Cafe\u0301\n'.repeat(20);
    const all = await segments(text, 'x.txt', { maxSegmentBytes: 64, text: { normalise: 'NFC' } });
    expect(all.length).toBeGreaterThan(1);
    expect(all[0]).toMatchObject({
      label: 'text',
      modality: 'text',
      mediaType: 'text/plain',
      meta: { charset: 'utf-8' },
      origin: { start: 0, end: 63, derived: `utf-8 -> ${by('NFC')}` },
    });
    expect(textOf(all.slice(0, 1))).toBe('Café\n'.repeat(9));
  });

  it('that is in this form already keeps its bytes, in its charset', async () => {
    const [own] = await segments('Café', 'x.txt', { text: { normalise: 'NFC' } });
    expect(own?.origin).toEqual({ start: 0, end: 5 });
    const wide = Buffer.from('\ufeffCafé', 'utf16le');
    const [kept] = await segments(wide, 'x.txt', { text: { normalise: 'NFC' } });
    expect(kept?.origin).toEqual({ start: 0, end: wide.length });
    expect(kept?.meta).toEqual({ charset: 'utf-16le' });
  });

  it('in another charset becomes UTF-8', async () => {
    const wide = Buffer.from('\ufeffCafe\u0301 ½', 'utf16le');
    const [segment] = await segments(wide, 'x.txt', { text: { normalise: 'NFKC' } });
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe('Café 1\u20442');
    expect(segment).toMatchObject({
      meta: { charset: 'utf-16le' },
      origin: { start: 0, end: wide.length, derived: `utf-16le -> utf-8 -> ${by('NFKC')}` },
    });
  });

  it('that is damaged and kept is left as it is', async () => {
    const bytes = Buffer.concat([Buffer.from('Cafe\u0301 größer und größer '), Buffer.from([0xff])]);
    const [segment] = await segments(bytes, 'x.txt', { invalidText: 'keep', text: { normalise: 'NFC' } });
    expect(segment?.origin).toEqual({ start: 0, end: bytes.length });
  });

  it('of markup is that of its text', async () => {
    const [segment] = await segments('<main><p>Cafe\u0301</main>', 'x.html', {
      text: { markup: 'text', normalise: 'NFC' },
    });
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe('Café');
    expect(segment?.origin.derived).toMatch(/^html -> text \(parse5 [\d.]+\) -> NFC \(Unicode [\d.]+\)$/);
  });

  it('of a mark at every letter, or marks alone, is had in time', async () => {
    const marks = `e${'\u0301\u0323'.repeat(20_000)}`;
    const all = await segments(marks, 'x.txt', { maxSegmentBytes: 1000, text: { normalise: 'NFC' } });
    expect(textOf(all)).toBe(marks.normalize('NFC'));
  }, 10_000);

  it('that does not exist is refused', () => {
    expect(() => pretokenize({ text: { normalise: 'NFX' as 'NFC' } })).toThrow(
      expect.objectContaining({ name: PipelineError.name, code: 'BAD_OPTION' }),
    );
  });
});
