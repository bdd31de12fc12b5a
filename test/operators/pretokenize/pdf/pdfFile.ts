/** An object of a PDF file: its source, or a stream with the entries of its dictionary. */
export type PdfObject = string | { readonly entries: string; readonly stream: Uint8Array | string };

/**
 * A PDF file of numbered objects (from 1), with a cross-reference table (ISO 32000-1, 7.5.4).
 * @param trailer entries beside `/Size`
 */
export function pdfFile(objects: readonly PdfObject[], trailer = '/Root 1 0 R'): Buffer {
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1')];
  const offsets: number[] = [];
  let at = parts[0]?.length ?? 0;
  const add = (part: Uint8Array | string): void => {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part);
    parts.push(bytes);
    at += bytes.length;
  };
  for (const [index, object] of objects.entries()) {
    offsets.push(at);
    add(`${index + 1} 0 obj\n`);
    if (typeof object === 'string') add(object);
    else {
      const stream = typeof object.stream === 'string' ? Buffer.from(object.stream, 'latin1') : object.stream;
      add(`<< ${object.entries} /Length ${stream.length} >>\nstream\n`);
      add(stream);
      add('\nendstream');
    }
    add('\nendobj\n');
  }
  const start = at;
  const rows = offsets.map((offset) => `${`${offset}`.padStart(10, '0')} 00000 n \n`).join('');
  add(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}`);
  add(`trailer\n<< /Size ${objects.length + 1} ${trailer} >>\nstartxref\n${start}\n%%EOF\n`);
  return Buffer.concat(parts);
}

/** A file with a page for each content stream, all in Helvetica (`/F1`), 612 by 792 points unless `page` says otherwise. */
export function pdfOfPages(contents: readonly string[], page = '/MediaBox [0 0 612 792]'): Buffer {
  const kids = contents.map((_, index) => `${4 + 2 * index} 0 R`).join(' ');
  return pdfFile([
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Kids [${kids}] /Count ${contents.length} >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    ...contents.flatMap((content, index): PdfObject[] => [
      `<< /Type /Page /Parent 2 0 R ${page} /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + 2 * index} 0 R >>`,
      { entries: '', stream: content },
    ]),
  ]);
}

/** Content that shows text at a place, in points from the lower left corner. */
export const textAt = (x: number, y: number, text: string, size = 10): string =>
  `BT /F1 ${size} Tf ${x} ${y} Td (${text.replace(/[\\()]/g, '\\$&')}) Tj ET\n`;
