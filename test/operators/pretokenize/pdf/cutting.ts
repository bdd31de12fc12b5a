import { readFileSync } from 'node:fs';
import { settledLimits } from '../../../../src/decoders/limits.ts';
import { Budget } from '../../../../src/operators/pretokenize/budget.ts';
import { cutPdf } from '../../../../src/operators/pretokenize/pdf/cut.ts';
import { type PdfOptions, settledPdf } from '../../../../src/operators/pretokenize/pdf/options.ts';
import { isRefused, type View } from '../../../../src/operators/pretokenize/view.ts';

const fixtures = new URL('../../../fixtures/media/pdf/', import.meta.url);

export const fixture = (name: string): Buffer => readFileSync(new URL(name, fixtures));

/** The views of a file, cut in this process. */
export async function cut(
  bytes: Uint8Array,
  options: PdfOptions = {},
  decodedBytes?: number,
  maxSegmentBytes = 1 << 20,
): Promise<View[]> {
  const limits = settledLimits({ decodedBytes });
  const context = {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes,
    member: async () => [],
  };
  const input = { bytes, name: 'a.pdf', modality: 'pdf', mediaType: 'application/pdf', confidence: 1 } as const;
  const cuts = await cutPdf(input, settledPdf(options), context);
  return cuts.filter((one): one is View => !isRefused(one));
}

/** The derived bytes of each segment of a view. */
export function pieces({ bytes = new Uint8Array(0), segments: { ends } }: View): Uint8Array[] {
  return [...ends].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** The text of each page that has some. */
export async function pageTexts(bytes: Uint8Array): Promise<string[]> {
  const [view] = await cut(bytes);
  return view === undefined ? [] : pieces(view).map((piece) => Buffer.from(piece).toString());
}
