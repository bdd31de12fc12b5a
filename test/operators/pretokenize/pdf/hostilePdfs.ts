import { deflateSync } from 'node:zlib';
import { type PdfObject, pdfFile, pdfOfPages, textAt } from './pdfFile.ts';

const page = (resources: string, contents: string, box = '0 0 612 792'): PdfObject[] => [
  '<< /Type /Catalog /Pages 2 0 R >>',
  '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
  `<< /Type /Page /Parent 2 0 R /MediaBox [${box}] /Resources << ${resources} >> /Contents ${contents} >>`,
];

/** A form that draws others. */
const form = (names: readonly number[]): PdfObject => ({
  entries: `/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << ${names
    .map((number) => `/X${number} ${number} 0 R`)
    .join(' ')} >> >>`,
  stream: names.map((number) => `/X${number} Do /X${number} Do `).join(''),
});

/** Thirty forms, each of which draws the next one twice: a thousand million in all. */
export const exponentialForms = (): Buffer =>
  pdfFile([
    ...page('/XObject << /X5 5 0 R >>', '4 0 R'),
    { entries: '', stream: '/X5 Do' },
    ...Array.from({ length: 30 }, (_, index) => form([index + 6])),
    form([]),
  ]);

/** A form that draws itself. */
export const recursiveForm = (): Buffer =>
  pdfFile([...page('/XObject << /X5 5 0 R >>', '4 0 R'), { entries: '', stream: '/X5 Do' }, form([5])]);

/** A content stream of `bytes` blanks, compressed twice. */
export const flateBomb = (bytes: number): Buffer =>
  pdfFile([
    ...page('', '4 0 R'),
    { entries: '/Filter [/FlateDecode /FlateDecode]', stream: deflateSync(deflateSync(Buffer.alloc(bytes, ' '))) },
  ]);

/** A page tree that holds itself. */
export const cyclicPages = (): Buffer =>
  pdfFile(['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>']);

/** A page tree as deep as it has nodes. */
export const deepPages = (depth: number): Buffer =>
  pdfFile([
    '<< /Type /Catalog /Pages 2 0 R >>',
    ...Array.from({ length: depth }, (_, index) => `<< /Type /Pages /Kids [${index + 3} 0 R] /Count 1 >>`),
    `<< /Type /Page /Parent ${depth + 1} 0 R /MediaBox [0 0 10 10] >>`,
  ]);

/** Arrays in arrays, as content and as a dictionary's value. */
export const deepArrays = (depth: number): Buffer =>
  pdfFile([
    ...page(`/Deep ${'['.repeat(depth)}${']'.repeat(depth)}`, '4 0 R'),
    { entries: '', stream: '['.repeat(depth) },
  ]);

/** A page of any size. */
export const boxed = (box: string): Buffer => pdfOfPages([textAt(1, 1, 'text')], `/MediaBox [${box}]`);

/** One page that says it is very many. */
export const miscounted = (count: number): Buffer =>
  Buffer.from(
    pdfOfPages([textAt(72, 72, 'the only page')])
      .toString('latin1')
      .replace('/Count 1', `/Count ${count}`),
    'latin1',
  );

/** Cross-reference tables that each name the other as the one before. */
export function crossReferenceLoop(): Buffer {
  const file = pdfOfPages([textAt(72, 72, 'text')]).toString('latin1');
  const table = file.lastIndexOf('xref\n', file.indexOf('startxref') - 1);
  const first = file.replace('/Root 1 0 R', `/Root 1 0 R /Prev ${table}`);
  return Buffer.from(first, 'latin1');
}
