import { settledLimits } from '../../../../src/decoders/limits.ts';
import { cutRecord } from '../../../../src/operators/pretokenize/cut.ts';
import { segmentsOf } from '../../../../src/operators/pretokenize/segments.ts';
import { type PretokenizeOptions, settled } from '../../../../src/operators/pretokenize/settings.ts';
import { isRefused } from '../../../../src/operators/pretokenize/view.ts';
import type { Document, Segment } from '../../../../src/records.ts';

export const textDocument = (bytes: Uint8Array | string, uri = 'file.txt'): Document => ({
  id: uri,
  source: { split: '00000', uri, position: { ordinal: 0 } },
  bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
  meta: {},
});

/** Segments of a text, cut in this process. @throws Failure */
export async function segmentsIn(
  bytes: Uint8Array | string,
  options: PretokenizeOptions,
  uri = 'file.txt',
): Promise<Segment[]> {
  const document = textDocument(bytes, uri);
  const limits = settledLimits(options.limits);
  const cuts = await cutRecord(document.bytes, {
    uri,
    stated: undefined,
    settings: settled(options),
    limits,
    ffmpeg: undefined,
  });
  return cuts.flatMap((cut) => (isRefused(cut) ? [] : [...segmentsOf(document, cut)]));
}

export const textOf = (segment: Segment): string => Buffer.from(segment.bytes).toString();

/** Whether segments are ranges of a document one behind the other, none of them empty, and hold what lies there. */
export function tiles(segments: readonly Segment[], bytes: Uint8Array): boolean {
  let at = 0;
  for (const { origin, bytes: own, index, last } of segments) {
    if (origin.derived !== undefined || origin.start !== at || origin.end <= at) return false;
    if (Buffer.compare(own, bytes.subarray(at, origin.end)) !== 0) return false;
    at = origin.end;
    if (last !== (index === segments.length - 1)) return false;
  }
  return at === bytes.length;
}
