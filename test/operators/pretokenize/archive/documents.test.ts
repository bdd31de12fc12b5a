import { describe, expect, it } from 'vitest';
import { cut, fixture, refused, views, zipOf } from './archives.ts';

const W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
const RELS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';

const relations = (...targets: [id: string, kind: string, target: string][]): string =>
  `${XML}<Relationships>${targets
    .map(([id, kind, target]) => `<Relationship Id="${id}" Type="${RELS}/${kind}" Target="${target}"/>`)
    .join('')}</Relationships>`;

const docx = (body: string, more: readonly { name: string; content: string }[] = []): Buffer =>
  zipOf([
    { name: '[Content_Types].xml', content: `${XML}<Types/>` },
    { name: '_rels/.rels', content: relations(['rId1', 'officeDocument', 'word/document.xml']) },
    { name: 'word/document.xml', content: `${XML}<w:document ${W}><w:body>${body}</w:body></w:document>` },
    ...more,
  ]);

const xlsx = (rows: string, strings = ''): Buffer =>
  zipOf([
    { name: '[Content_Types].xml', content: `${XML}<Types/>` },
    { name: '_rels/.rels', content: relations(['rId1', 'officeDocument', '/xl/workbook.xml']) },
    {
      name: 'xl/workbook.xml',
      content: `${XML}<workbook xmlns:r="${RELS}"><sheets><sheet name="One" sheetId="1" r:id="a"/></sheets></workbook>`,
    },
    {
      name: 'xl/_rels/workbook.xml.rels',
      content: relations(['a', 'worksheet', 'worksheets/one.xml'], ['b', 'sharedStrings', 'sharedStrings.xml']),
    },
    { name: 'xl/sharedStrings.xml', content: `${XML}<sst>${strings}</sst>` },
    { name: 'xl/worksheets/one.xml', content: `${XML}<worksheet><sheetData>${rows}</sheetData></worksheet>` },
  ]);

async function textOf(bytes: Uint8Array, maxSegmentBytes?: number) {
  const cuts = await cut(bytes, { maxSegmentBytes });
  expect(refused(cuts)).toEqual([]);
  const [view] = views(cuts);
  if (cuts.length !== 1 || view === undefined) throw new Error('it is not one view');
  const { bytes: all = new Uint8Array(), segments } = view;
  const pieces: [label: string, text: string, meta: unknown][] = [];
  let start = 0;
  for (const [index, end] of segments.ends.entries()) {
    const text = Buffer.from(all.subarray(start, end)).toString();
    pieces.push([segments.labels[segments.labelOf?.[index] ?? 0] ?? '', text, segments.metas?.[index]]);
    start = end;
  }
  expect(start).toBe(all.length);
  return { view, pieces };
}

const PARAGRAPHS = 'The first paragraph, with bold words & an ümlaut.';

describe('documents made by other programs become their text', () => {
  it('Word', async () => {
    const { view, pieces } = await textOf(fixture('text.docx'));
    expect(view).toMatchObject({ suffix: '', modality: 'text', mediaType: 'text/plain' });
    expect(view.derived).toMatch(/^docx -> text \(saxes \d+\.\d+\.\d+\)$/);
    expect(view.segments.meta).toEqual({ charset: 'utf-8' });
    expect(pieces).toEqual([
      [
        'text',
        `A title\nFirst chapter\n${PARAGRAPHS}\nleft\tright\na\tb\nc\td\nSecond chapter\none\ntwo\nLast words.\n\n`,
        { part: 'word/document.xml' },
      ],
      ['notes', ' A footnote.\n', { part: 'word/footnotes.xml' }],
    ]);
  });

  it('OpenDocument text, its footnotes left out', async () => {
    const { view, pieces } = await textOf(fixture('text.odt'));
    expect(view.derived).toMatch(/^odt -> text \(saxes /);
    expect(pieces).toEqual([
      [
        'text',
        `A title\nFirst chapter\n${PARAGRAPHS}\nleft\tright\na\tb\nc\td\nSecond chapter\none\ntwo\nLast words.\n`,
        { part: 'content.xml' },
      ],
    ]);
  });

  it('presentations, slide by slide', async () => {
    const { view, pieces } = await textOf(fixture('slides.pptx'));
    expect(view.derived).toMatch(/^pptx -> text \(saxes /);
    expect(pieces.map(([label, text]) => [label, text])).toEqual([
      ['slide', 'A title\n\n'],
      ['slide', `First chapter\n${PARAGRAPHS}1\nleft\tright\na\tb\nc\td\n\n`],
      ['slide', 'Second chapter\none\ntwo\nLast words.\n\n'],
      ['slide', 'Notes\n1. A footnote.\n'],
    ]);
    expect(pieces[1]?.[2]).toEqual({ slide: 2, part: 'ppt/slides/slide2.xml' });
  });

  it('sheets, each value in its column', async () => {
    const { view, pieces } = await textOf(fixture('sheets.xlsx'));
    expect(view).toMatchObject({ modality: 'text', mediaType: 'text/tab-separated-values' });
    expect(pieces).toEqual([
      [
        'sheet',
        'name\tzahl\tja\nä & b\t1.5\tTRUE\n\t\t\t\tfar\ntwo lines\n\n',
        { sheet: 'Erste', part: 'xl/worksheets/sheet1.xml' },
      ],
      ['sheet', 'name\n', { sheet: 'Zweite', part: 'xl/worksheets/sheet2.xml' }],
    ]);
    expect((await textOf(fixture('sheets.ods'))).pieces).toEqual([
      ['sheet', 'name\tzahl\nä\t\t\tfern\n', { sheet: 'Blatt', part: 'content.xml' }],
    ]);
  });

  it('books, chapter by chapter', async () => {
    const { view, pieces } = await textOf(fixture('book.epub'));
    expect(view.derived).toMatch(/^epub -> text \(parse5 \d+/);
    expect(pieces.map(([label, , meta]) => [label, meta])).toMatchObject([
      ['chapter', { chapter: 1, part: 'EPUB/text/title_page.xhtml', title: 'A title' }],
      ['chapter', { chapter: 2, part: 'EPUB/text/ch001.xhtml' }],
      ['chapter', { chapter: 3, part: 'EPUB/text/ch002.xhtml' }],
    ]);
    expect(pieces[2]?.[1]).toBe('Second chapter\n\n- one\n- two\n\nLast words.\n');
  });
});

describe('a document', () => {
  it('is its parts, by choice, as views of one record', async () => {
    const cuts = await cut(fixture('text.docx'), { archive: { documents: 'members' } });
    expect(cuts.every((one) => 'record' in one && one.record === '')).toBe(true);
    expect(cuts.map(({ member }) => member)).toContain('word/document.xml');
  });

  it('is both, by choice: its text first', async () => {
    const cuts = await cut(fixture('book.epub'), { archive: { documents: 'multiview' } });
    expect(cuts[0]).toMatchObject({ suffix: '', record: '', modality: 'text' });
    expect(cuts.slice(1).map(({ suffix }) => suffix)).toContain('!/EPUB/text/ch001.xhtml');
    expect(views(cuts).every(({ record }) => record === '')).toBe(true);
  });

  it('in an archive is a member with the text of it, and its parts are views of that member', async () => {
    const archive = zipOf([{ name: 'a/b.docx', content: fixture('text.docx') }]);
    expect(await cut(archive)).toMatchObject([{ suffix: '!/a/b.docx', member: 'a/b.docx', modality: 'text' }]);
    const both = views(await cut(archive, { archive: { documents: 'multiview' } }));
    expect(both[0]).toMatchObject({ suffix: '!/a/b.docx', record: '!/a/b.docx' });
    expect(both[1]).toMatchObject({ suffix: '!/a/b.docx!/[Content_Types].xml', record: '!/a/b.docx' });
  });

  it('is cut between characters where it is longer than a segment may be', async () => {
    const { pieces } = await textOf(docx(`<w:p><w:r><w:t>${'漢'.repeat(100)}</w:t></w:r></w:p>`), 64);
    expect(pieces.map(([, text]) => text.length)).toEqual([21, 21, 21, 21, 17]);
    expect(pieces.map(([, text]) => text).join('')).toBe(`${'漢'.repeat(100)}\n`);
  });

  it('says nothing that was deleted, moved away, or is there twice', async () => {
    const body =
      '<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t xml:space="preserve">kept </w:t></w:r>' +
      '<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>' +
      '<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:instrText>PAGE</w:instrText></w:r>' +
      '<mc:AlternateContent><mc:Choice><w:r><w:t>once</w:t></w:r></mc:Choice>' +
      '<mc:Fallback><w:r><w:t>twice</w:t></w:r></mc:Fallback></mc:AlternateContent>' +
      '<w:r><w:tab/><w:br/><w:t>&lt;&#x6f22;&gt;</w:t></w:r></w:p>';
    expect((await textOf(docx(body))).pieces[0]?.[1]).toBe('kept once\t\n<漢>\n');
  });

  it('has tables in tables on the line of their row', async () => {
    const cell = (text: string): string => `<w:tc><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:tc>`;
    const inner = `<w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p><w:tbl><w:tr>${cell('y')}${cell('z')}</w:tr></w:tbl></w:tc>`;
    const table = `<w:tbl><w:tr>${cell('a')}${inner}</w:tr><w:tr>${cell('b')}${cell('')}</w:tr></w:tbl>`;
    expect((await textOf(docx(table))).pieces[0]?.[1]).toBe('a\tx y z\nb\n');
  });

  it('may be in UTF-16, and its main part anywhere', async () => {
    const body = `<?xml version="1.0" encoding="UTF-16"?><w:document ${W}><w:p><w:t>é</w:t></w:p></w:document>`;
    const bytes = zipOf([
      { name: '[Content_Types].xml', content: `${XML}<Types/>` },
      { name: '_rels/.rels', content: relations(['x', 'officeDocument', './word/other%20one.xml']) },
      { name: 'word/Other one.xml', content: Buffer.from(`\ufeff${body}`, 'utf16le') },
    ]);
    expect((await textOf(bytes)).pieces).toEqual([['text', 'é\n', { part: 'word/other one.xml' }]]);
  });

  it('of sheets has shared strings, those in the cell, truths, and nothing of guides to reading', async () => {
    const rows =
      '<row><c t="s"><v>1</v></c><c t="inlineStr"><is><t>in</t></is></c><c t="b"><v>0</v></c><c t="s"><v>99</v></c></row>' +
      '<row/><row r="9"><c r="B9" t="str"><f>A1</f><v>f</v></c><c r="A9"><v>late</v></c></row>';
    const strings = '<si><t>no</t></si><si><r><t>y</t></r><r><t>es</t></r><rPh><t>guide</t></rPh></si>';
    expect((await textOf(xlsx(rows, strings))).pieces[0]?.[1]).toBe('yes\tin\tFALSE\n\tflate\n');
  });
});

describe('documents that are wrong', () => {
  it.each([
    ['no text in it', docx(''), 'EMPTY_DOCUMENT'],
    ['a part that is no XML', docx('<w:p>'), 'DAMAGED_FILE'],
    ['an entity of its own', docx('<w:p><w:t>&lol;</w:t></w:p>'), 'DAMAGED_FILE'],
    ['too deep a part', docx('<a>'.repeat(5000) + '</a>'.repeat(5000)), 'DAMAGED_FILE'],
    [
      'no main part',
      zipOf([
        { name: '[Content_Types].xml', content: '<Types/>' },
        { name: 'word/x', content: 'x' },
      ]),
      'DAMAGED_FILE',
    ],
    [
      'a main part outside of it',
      zipOf([
        { name: '[Content_Types].xml', content: '<Types/>' },
        { name: '_rels/.rels', content: relations(['x', 'officeDocument', '../../../../etc/passwd']) },
        { name: 'word/x', content: 'x' },
      ]),
      'DAMAGED_FILE',
    ],
    [
      'a part that is damaged',
      zipOf([
        { name: '[Content_Types].xml', content: '<Types/>' },
        { name: 'word/document.xml', content: `<w:document ${W}/>`, crc: 7 },
      ]),
      'DAMAGED_FILE',
    ],
    [
      'an encrypted book',
      zipOf([
        { name: 'mimetype', content: 'application/vnd.oasis.opendocument.text', stored: true },
        { name: 'META-INF/manifest.xml', content: '<manifest><encryption-data/></manifest>' },
        { name: 'content.xml', content: 'noise' },
      ]),
      'ENCRYPTED',
    ],
  ])('(%s) are refused', async (_what, bytes, code) => {
    await expect(cut(bytes)).rejects.toMatchObject({ code });
  });

  it('keep their parts where these are wanted', async () => {
    const broken = await cut(docx('<w:p>'), { archive: { documents: 'multiview' } });
    expect(broken[0]).toMatchObject({ suffix: '', code: 'DAMAGED_FILE' });
    expect(views(broken)).toHaveLength(3);
    const empty = await cut(docx(''), { archive: { documents: 'multiview' } });
    expect(refused(empty)).toEqual([]);
  });

  it.each([
    ['columns far out', xlsx('<row><c r="XFD1"><v>1</v></c></row>'.repeat(20_000))],
    [
      'a long string named often',
      xlsx('<row><c t="s"><v>0</v></c></row>'.repeat(20_000), `<si><t>${'x'.repeat(30_000)}</t></si>`),
    ],
  ])('do not grow beyond what a record may become: %s', async (_what, bytes) => {
    expect(bytes.length).toBeLessThan(100_000);
    await expect(cut(bytes, { limits: { decodedBytes: 64 << 20 } })).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
  });

  it('do not grow by repeated cells or spaces of OpenDocument either', async () => {
    const cells =
      '<table:table-cell table:number-columns-repeated="1000000"><text:p>x<text:s text:c="1000000000"/></text:p></table:table-cell>';
    const rows = `<table:table-row>${cells.repeat(3)}</table:table-row>`.repeat(2000);
    const bytes = zipOf([
      { name: 'mimetype', content: 'application/vnd.oasis.opendocument.spreadsheet', stored: true },
      {
        name: 'content.xml',
        content: `<o xmlns:table="t" xmlns:text="x"><table:table table:name="a">${rows}</table:table></o>`,
      },
    ]);
    await expect(cut(bytes, { limits: { decodedBytes: 64 << 20 } })).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
  });
});
