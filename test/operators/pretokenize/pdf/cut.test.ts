import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settledPdf } from '../../../../src/operators/pretokenize/pdf/options.ts';
import { segmentsOf } from '../../../../src/operators/pretokenize/segments.ts';
import type { Document } from '../../../../src/records.ts';
import { cut, fixture, pageTexts, pieces } from './cutting.ts';
import { pdfOfPages, textAt } from './pdfFile.ts';

/** What poppler says, without the blank lines that it sets between blocks. */
const poppler = (name: string): string[] =>
  fixture(`${name}.txt`)
    .toString()
    .split('\f')
    .map((page) => page.trim().replace(/\n{2,}/g, '\n'))
    .filter((page) => page !== '');

const manifest = new URL('../../../../node_modules/@hyzyla/pdfium/package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };

describe('the text of pages', () => {
  it.each([
    'two-columns',
    'columns-in-strings',
    'unordered',
    'fifty-pages',
    'some-text',
    'latin',
    'owner-password',
    'unicode',
  ])('is what pdftotext finds, in its order: %s', async (name) => {
    expect(await pageTexts(fixture(`${name}.pdf`))).toEqual(poppler(name));
  });

  it('does not change where the page is turned', async () => {
    expect(await pageTexts(fixture('rotated.pdf'))).toEqual(await pageTexts(fixture('two-columns.pdf')));
  });

  it('keeps the rows of tables', async () => {
    expect(await pageTexts(fixture('table.pdf'))).toEqual([
      'Name Born Died\nAda 1815 1852\nAlan 1912 1954\nGrace 1906 1992',
    ]);
  });

  it('that is turned on the page follows what is upright, line by line', async () => {
    const [text = ''] = await pageTexts(fixture('turned.pdf'));
    expect(text.split('\n')).toEqual([
      'Upright, and the longest text that stands on this page by far',
      'so that it comes first, and then the rest',
      'Turned line 1 reads upwards',
      'Turned line 2 reads upwards',
      'Turned line 3 reads upwards',
    ]);
  });

  it('keeps hyphens at the ends of lines', async () => {
    const file = pdfOfPages([textAt(72, 700, 'a word that is hyphen-') + textAt(72, 688, 'ated, as it is printed')]);
    expect(await pageTexts(file)).toEqual(['a word that is hyphen-\nated, as it is printed']);
  });

  it('is one derived segment a page, with its number and size', async () => {
    const bytes = fixture('some-text.pdf');
    const [view] = await cut(bytes);
    const document: Document = {
      id: 'some.pdf',
      source: { split: '00000', uri: 'some.pdf', position: { ordinal: 0 } },
      bytes,
      meta: {},
    };
    const segments = [...segmentsOf(document, view!)];
    expect(segments.map(({ label, bytes: text }) => [label, Buffer.from(text).toString()])).toEqual([
      ['pdf_page_1_text', 'First'],
      ['pdf_page_3_text', 'Third'],
    ]);
    expect(segments[1]).toMatchObject({
      modality: 'text',
      mediaType: 'application/pdf',
      origin: { start: 0, end: bytes.length, derived: `pdf -> utf-8 (@hyzyla/pdfium ${version})` },
      meta: {
        page: 3,
        page_width: 612,
        page_height: 792,
        rotation: 0,
        view: 'text',
        source_type: 'extracted_text',
        charset: 'utf-8',
      },
    });
    expect(segments[0]?.document.meta).toEqual({
      source_id: createHash('sha256').update(bytes).digest('hex'),
      page_count: 3,
    });
  });

  it('tells how a page is turned, and its size as it is shown', async () => {
    const [view] = await cut(fixture('rotated.pdf'));
    expect(view?.segments.metas?.[0]).toEqual({ page: 1, page_width: 792, page_height: 612, rotation: 90 });
  });

  it.each(['no-text.pdf', 'scanned.pdf'])('where there is none (%s) says what to do', async (name) => {
    await expect(cut(fixture(name))).rejects.toMatchObject({
      code: 'EMPTY_DOCUMENT',
      hint: expect.stringContaining('mode: "image"'),
    });
  });

  it('is cut behind lines, or else characters, where segments are not to be that large', async () => {
    const [whole] = await cut(fixture('two-columns.pdf'));
    const [view] = await cut(fixture('two-columns.pdf'), {}, undefined, 64);
    expect(view?.bytes).toEqual(whole?.bytes);
    const texts = pieces(view!).map((piece) => Buffer.from(piece).toString());
    expect(texts[0]).toBe('On the Reading of Columns, a Title Across Both\n');
    expect(texts.every((text) => text.length <= 64)).toBe(true);
    expect(view?.segments.labels).toEqual(['pdf_page_1_text']);
    for (const most of [5, 6, 7, 8]) {
      const [greek] = await cut(fixture('unicode.pdf'), {}, undefined, most);
      const parts = pieces(greek!).map((piece) => new TextDecoder('utf-8', { fatal: true }).decode(piece));
      expect(parts.every((part) => part !== '' && Buffer.byteLength(part) <= most)).toBe(true);
    }
  });

  it('has every character of any lines of Latin letters', async () => {
    const words = fc.string({ unit: fc.constantFrom(...'abcdefgXYZ0123456789(\\)'), minLength: 1, maxLength: 12 });
    const line = fc.array(words, { minLength: 1, maxLength: 8 }).map((all) => all.join(' '));
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
        const file = pdfOfPages([lines.map((text, n) => textAt(72, 740 - 20 * n, text)).join('')]);
        expect(await pageTexts(file)).toEqual([lines.join('\n')]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('pictures of pages', () => {
  /** The pixels of a file in the format of netpbm. */
  const ppm = (name: string): { width: number; height: number; rgb: Buffer } => {
    const bytes = fixture(name);
    const [head = '', width, height] = /^P6\s(\d+) (\d+)\s255\s/.exec(bytes.toString('latin1')) ?? [];
    return { width: Number(width), height: Number(height), rgb: bytes.subarray(head.length) };
  };

  it.each(['shapes', 'shapes-cropped', 'shapes-rotated'])('are what poppler draws: %s', async (name) => {
    const { width, height, rgb } = ppm(`${name}.ppm`);
    const [view] = await cut(fixture(`${name}.pdf`), { mode: 'image', width, patches: false });
    expect(view?.segments.columns).toMatchObject({
      image_width: Float64Array.of(width),
      image_height: Float64Array.of(height),
    });
    expect(Buffer.from(view?.bytes ?? []).equals(rgb)).toBe(true);
  });

  it('are cut into patches that say where they stand', async () => {
    const { width, height, rgb } = ppm('shapes.ppm');
    const [view] = await cut(fixture('shapes.pdf'), { mode: 'image', width, patches: { patchSize: 8 } });
    const { columns = {}, labels, labelOf, meta } = view?.segments ?? { labels: [], meta: {} };
    expect(meta).toMatchObject({ view: 'image', source_type: 'rendered_image', patch_size: 8, channels: 3 });
    const patches = pieces(view!);
    expect(patches).toHaveLength((width / 8) * (height / 8));
    const again = Buffer.alloc(rgb.length);
    for (const [index, patch] of patches.entries()) {
      expect(labels[labelOf?.[index] ?? -1]).toBe('pdf_page_1_image');
      for (let row = 0; row < 8; row++) {
        const at = ((columns.y?.[index] ?? 0) + row) * width + (columns.x?.[index] ?? 0);
        again.set(patch.subarray(24 * row, 24 * row + 24), 3 * at);
      }
    }
    expect(again.equals(rgb)).toBe(true);
  });

  it('are of every page, as wide as they are asked for', async () => {
    const [view] = await cut(fixture('some-text.pdf'), { mode: 'image', width: 306, patches: false });
    expect(view?.segments.labels).toEqual(['pdf_page_1_image', 'pdf_page_2_image', 'pdf_page_3_image']);
    expect(view?.segments.columns).toMatchObject({
      page: Float64Array.of(1, 2, 3),
      image_width: Float64Array.of(306, 306, 306),
      image_height: Float64Array.of(396, 396, 396),
      page_width: Float64Array.of(612, 612, 612),
    });
    expect(view).toMatchObject({ modality: 'image', derived: `pdf -> rgb8 (@hyzyla/pdfium ${version})`, suffix: '' });
    const [first, second] = pieces(view!);
    expect(first?.some((value) => value < 128)).toBe(true);
    expect(second?.every((value) => value === 255)).toBe(true);
  });

  it('are of scanned pages too', async () => {
    const [view] = await cut(fixture('scanned.pdf'), { mode: 'image', width: 60, patches: false });
    const [bitmap = new Uint8Array(0)] = pieces(view!);
    const grey = (x: number, y: number): number => bitmap[3 * (y * 60 + x)] ?? -1;
    expect(grey(30, 15)).toBeLessThan(16);
    expect(grey(3, 3)).toBeGreaterThan(240);
  });

  it('in one piece are cut between rows where segments are not to be that large', async () => {
    const [view] = await cut(fixture('shapes.pdf'), { mode: 'image', width: 2000, patches: false });
    const lengths = pieces(view!).map((piece) => piece.length);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(3 * 2000 * 1000);
    expect(lengths.every((length) => length <= 1 << 20 && length % 6000 === 0)).toBe(true);
  });

  it('are charged before they are drawn', async () => {
    const file = fixture('some-text.pdf');
    await expect(cut(file, { mode: 'image', patches: false }, 4_000_000)).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
    await expect(cut(file, { mode: 'image' }, 4_000_000)).rejects.toMatchObject({ code: 'DECODED_TOO_LARGE' });
  });
});

describe('raw bytes', () => {
  it('are cut into ranges that tile the file, whatever is in it', async () => {
    const bytes = Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(3 << 20, 'no PDF at all ')]);
    const [view, ...others] = await cut(bytes, { mode: 'raw' });
    expect(others).toEqual([]);
    expect(view).toMatchObject({ suffix: '', modality: 'pdf', segments: { labels: ['pdf_raw'] } });
    expect(view?.derived).toBeUndefined();
    expect([...(view?.segments.ends ?? [])]).toEqual([1 << 20, 2 << 20, 3 << 20, bytes.length]);
  });
});

describe('views of one file', () => {
  it('are linked, and name their source in the same way in every run', async () => {
    const bytes = fixture('some-text.pdf');
    const views = await cut(bytes, { mode: 'multiview', width: 100 });
    expect(views.map(({ suffix, modality, record }) => [suffix, modality, record])).toEqual([
      ['', 'pdf', ''],
      ['#text', 'text', ''],
      ['#images', 'image', ''],
    ]);
    const meta = { source_id: createHash('sha256').update(bytes).digest('hex'), page_count: 3 };
    expect(views.map((view) => view.meta)).toEqual([meta, meta, meta]);
    expect(await cut(bytes, { mode: 'multiview', width: 100 })).toEqual(views);
    const [text] = await cut(bytes);
    const [image] = await cut(bytes, { mode: 'image', width: 100 });
    expect(views[1]?.bytes).toEqual(text?.bytes);
    expect(views[2]?.bytes).toEqual(image?.bytes);
  });

  it('are two where no page has text', async () => {
    const views = await cut(fixture('scanned.pdf'), { mode: 'multiview' });
    expect(views.map(({ suffix }) => suffix)).toEqual(['', '#images']);
  });
});

describe('what is refused', () => {
  it.each(['text', 'image', 'multiview'] as const)('with a password, in mode %s', async (mode) => {
    await expect(cut(fixture('encrypted.pdf'), { mode })).rejects.toMatchObject({
      name: 'Failure',
      code: 'ENCRYPTED',
      hint: expect.stringContaining('qpdf'),
    });
    expect(await cut(fixture('encrypted.pdf'), { mode: 'raw' })).toHaveLength(1);
  });

  it('with too many pages', async () => {
    await expect(cut(fixture('fifty-pages.pdf'), { maxPages: 49 })).rejects.toMatchObject({
      code: 'TOO_MANY_PAGES',
      message: 'the PDF file has 50 pages, and 49 are allowed',
    });
    expect(await cut(fixture('fifty-pages.pdf'), { maxPages: 50 })).toHaveLength(1);
  });

  it.each([
    { mode: 'texts' as 'text' },
    { width: 0 },
    { width: 16_385 },
    { width: 1.5 },
    { maxPages: 0 },
    { maxPages: 65_536 },
    { patches: { patchSize: 0 } },
  ])('options %o', (options) => {
    expect(() => settledPdf(options)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});
