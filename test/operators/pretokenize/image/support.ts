import { readFileSync } from 'node:fs';
import { settledLimits } from '../../../../src/decoders/limits.ts';
import { Budget } from '../../../../src/operators/pretokenize/budget.ts';
import { detect } from '../../../../src/operators/pretokenize/detect.ts';
import { cutImage } from '../../../../src/operators/pretokenize/image/cut.ts';
import { type ImageOptions, settledImage } from '../../../../src/operators/pretokenize/image/options.ts';
import type { CutContext } from '../../../../src/operators/pretokenize/modality.ts';
import { isRefused, type SegmentTable, type View } from '../../../../src/operators/pretokenize/view.ts';
import type { MetaValue } from '../../../../src/records.ts';
import { Failure } from '../../../../src/sources/failure.ts';

const folder = new URL('../../../fixtures/media/image/', import.meta.url);

/** A file of test/fixtures/media/image, which tools/fixtures/image.sh makes. */
export const fixture = (name: string): Buffer => readFileSync(new URL(name, folder));

/** What ImageMagick decodes a file of test/fixtures/media/image to. */
export const expected = (name: string): Buffer => fixture(`${name}.rgb`);

const NONE = { modality: undefined, fallbackCharset: undefined };

export const mediaTypeOf = async (bytes: Uint8Array, name: string): Promise<string> =>
  name.endsWith('.svg') ? 'image/svg+xml' : (await detect(bytes, name, NONE)).mediaType;

export interface Circumstances {
  readonly decodedBytes?: number;
  readonly maxSegmentBytes?: number;
}

/** Cuts a picture in this process. */
export async function cut(
  bytes: Uint8Array,
  mediaType: string,
  options: ImageOptions = {},
  { decodedBytes, maxSegmentBytes = 16 << 20 }: Circumstances = {},
): Promise<View & { readonly bytes: Uint8Array }> {
  const limits = settledLimits({ decodedBytes });
  const context: CutContext = {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes,
    member: () => Promise.reject(new Error('pictures have no members')),
  };
  const input = { bytes, mediaType, name: 'picture', modality: 'image', confidence: 1 } as const;
  const [view] = await cutImage(input, settledImage(options), context);
  if (view === undefined || isRefused(view) || view.bytes === undefined)
    throw new Error('a picture is one derived view');
  return { ...view, bytes: view.bytes };
}

/** All pixels of a picture, frame after frame: with patches of one pixel, that is what the patches are. */
export async function pixels(bytes: Uint8Array, mediaType: string, options: ImageOptions = {}): Promise<Buffer> {
  return Buffer.from((await cut(bytes, mediaType, { ...options, patchSize: 1, localEntropy: false })).bytes);
}

/** How a picture is refused; undefined where it is not. Whatever is no Failure is thrown on. */
export async function refusal(...given: Parameters<typeof cut>): Promise<Failure | undefined> {
  try {
    await cut(...given);
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

/** A fact of each segment of a table, wherever the table has it; undefined where a segment has none. */
export function factOf({ ends, meta, columns, metas, metaOf }: SegmentTable, name: string): MetaValue[] {
  return Array.from(ends, (_, n) => columns?.[name]?.[n] ?? metas?.[metaOf?.[n] ?? n]?.[name] ?? meta[name] ?? null);
}
