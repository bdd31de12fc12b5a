import { PDFiumLibrary } from '@hyzyla/pdfium';
import { settledLimits } from '../src/decoders/limits.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { cutPdf } from '../src/operators/pretokenize/pdf/cut.ts';
import { type PdfOptions, settledPdf } from '../src/operators/pretokenize/pdf/options.ts';
import { pdfOfPages, textAt } from '../test/operators/pretokenize/pdf/pdfFile.ts';
import { type Bench, perItem } from './harness.ts';

const PAGES = 60;
const LINES = 50;
const WIDTH = 1024;
/** Pictures are of fewer pages: they take longer. */
const DRAWN = 4;

/** Pages of words that differ, in one column or two. */
function pages(count: number, columns: 1 | 2): Buffer {
  let state = 7;
  const word = (): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 4).toString(36).slice(0, 1 + ((state >>> 28) % 7));
  };
  const line = (length: number): string => {
    let text = word();
    while (text.length < length) text += ` ${word()}`;
    return text.slice(0, length);
  };
  return pdfOfPages(
    Array.from({ length: count }, () => {
      let content = '';
      for (let row = 0; row < LINES; row++) {
        const y = 740 - 13 * row;
        content += columns === 1 ? textAt(60, y, line(85)) : textAt(50, y, line(42)) + textAt(320, y, line(42));
      }
      return content;
    }),
  );
}

async function cut(bytes: Uint8Array, options: PdfOptions): Promise<void> {
  const limits = settledLimits();
  const context = {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes: 16 << 20,
    member: async () => [],
  };
  const input = { bytes, name: 'a.pdf', modality: 'pdf', mediaType: 'application/pdf', confidence: 1 } as const;
  await cutPdf(input, settledPdf(options), context);
}

/**
 * Pages to text in layout order, and to pictures in patches, against PDFium alone, through its package: text in the order of
 * the file, and pictures. Processor time for one page. Below 1.15 is the aim.
 */
export default async function pdf(bench: Bench): Promise<void> {
  const library = await PDFiumLibrary.init();
  const alone = async (bytes: Uint8Array, work: (page: PdfPage) => unknown): Promise<void> => {
    const document = await library.loadDocument(bytes);
    for (const page of document.pages()) await work(page);
    document.destroy();
  };
  for (const columns of [1, 2] as const) {
    const file = pages(PAGES, columns);
    await bench.compare({
      case: `text, ${columns === 1 ? 'one column' : 'two columns'}`,
      measure: perItem(PAGES),
      run: () => cut(file, {}),
      peer: { name: 'PDFium alone', run: () => alone(file, (page) => page.getText()) },
    });
  }
  const file = pages(DRAWN, 1);
  const drawn = (page: PdfPage): Promise<unknown> => page.render({ render: 'bitmap', width: WIDTH, height: 1325 });
  for (const [name, patches] of [
    ['rows', false],
    ['patches', {}],
    ['patches with entropy', { localEntropy: true }],
  ] as const) {
    await bench.compare({
      case: `pictures, ${name}`,
      measure: perItem(DRAWN),
      run: () => cut(file, { mode: 'image', width: WIDTH, patches }),
      peer: { name: 'PDFium alone', run: () => alone(file, drawn) },
    });
  }
}

type PdfDocument = Awaited<ReturnType<PDFiumLibrary['loadDocument']>>;
type PdfPage = ReturnType<PdfDocument['getPage']>;
