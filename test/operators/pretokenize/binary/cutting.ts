import { readFileSync } from 'node:fs';
import { settledLimits } from '../../../../src/decoders/limits.ts';
import { cutBinary } from '../../../../src/operators/pretokenize/binary/cut.ts';
import { type BinaryOptions, settledBinary } from '../../../../src/operators/pretokenize/binary/options.ts';
import { Budget } from '../../../../src/operators/pretokenize/budget.ts';
import { segmentsOf } from '../../../../src/operators/pretokenize/segments.ts';
import { isRefused } from '../../../../src/operators/pretokenize/view.ts';
import type { Segment } from '../../../../src/records.ts';

const fixtures = new URL('../../../fixtures/media/binary/', import.meta.url);

export const fixture = (name: string): Buffer => readFileSync(new URL(name, fixtures));

export interface CutOptions extends BinaryOptions {
  readonly maxSegmentBytes?: number;
}

/** The segments of a file, cut in this process. Checks that they tile it. */
export async function cut(bytes: Uint8Array, options: CutOptions = {}): Promise<Segment[]> {
  const { maxSegmentBytes = 1 << 24, ...own } = options;
  const limits = settledLimits();
  const context = { limits, budget: new Budget(limits), ffmpeg: undefined, maxSegmentBytes, member: async () => [] };
  const input = {
    bytes,
    name: 'a',
    modality: 'binary',
    mediaType: 'application/octet-stream',
    confidence: 1,
  } as const;
  const [view, ...others] = await cutBinary(input, settledBinary(own), context);
  if (view === undefined || isRefused(view) || others.length > 0) throw new Error('there is not one view');
  const source = { split: '00000', uri: 'a', position: { ordinal: 0 } };
  const segments = [...segmentsOf({ id: 'a', source, bytes, meta: {} }, view)];
  let at = 0;
  for (const { origin, bytes: own, label } of segments) {
    const isNext = origin.start === at && origin.end === at + own.length && origin.derived === undefined;
    const fits = own.length > 0 && own.length <= maxSegmentBytes;
    if (!isNext || !fits || !/^[\x21-\x7e]{1,160}$/.test(label)) {
      throw new Error(`a segment (${label}) of ${own.length} bytes at ${origin.start} follows byte ${at}`);
    }
    at = origin.end;
  }
  if (at !== bytes.length) throw new Error(`segments end at ${at} of ${bytes.length}`);
  return segments;
}
