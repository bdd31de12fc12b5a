import { settledLimits } from '../../src/decoders/limits.ts';
import { cutRecord } from '../../src/operators/pretokenize/cut.ts';
import { segmentsOf } from '../../src/operators/pretokenize/segments.ts';
import { settled } from '../../src/operators/pretokenize/settings.ts';
import { type Cut, isRefused } from '../../src/operators/pretokenize/view.ts';
import type { PretokenizeOptions } from '../../src/operators/pretokenize.ts';
import type { Document, Segment } from '../../src/records.ts';

export const documentOf = (bytes: Uint8Array, uri: string): Document => ({
  id: uri,
  source: { split: '00000', uri, position: { ordinal: 0 } },
  bytes,
  meta: {},
});

/** What `pretokenize` cuts a record into, in this process. */
export function cuts(
  bytes: Uint8Array | string,
  uri: string,
  options: PretokenizeOptions = {},
): Promise<readonly Cut[]> {
  return cutRecord(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, {
    uri,
    stated: undefined,
    settings: settled(options),
    limits: settledLimits(options.limits),
    ffmpeg: undefined,
  });
}

/** Its segments; none of it may be refused. */
export async function segments(
  bytes: Uint8Array | string,
  uri: string,
  options: PretokenizeOptions = {},
): Promise<Segment[]> {
  const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  return (await cuts(content, uri, options)).flatMap((cut) => {
    if (isRefused(cut)) throw new Error(`${cut.code}: ${cut.message}`);
    return [...segmentsOf(documentOf(content, uri), cut)];
  });
}

export const textOf = (all: readonly Segment[]): string =>
  Buffer.concat(all.map((segment) => segment.bytes)).toString();
