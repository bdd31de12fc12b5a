import { chmodSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type DecoderLimits, settledLimits } from '../../../../src/decoders/limits.ts';
import { Budget } from '../../../../src/operators/pretokenize/budget.ts';
import { cutVideo } from '../../../../src/operators/pretokenize/video/cut.ts';
import { settledVideo, type VideoOptions } from '../../../../src/operators/pretokenize/video/options.ts';
import { programAt } from '../../../../src/operators/pretokenize/video/program.ts';
import { type Cut, isRefused, type View } from '../../../../src/operators/pretokenize/view.ts';
import type { MetaValue } from '../../../../src/records.ts';

/** Path of an ffmpeg of 2018, from a package that carries it; undefined where there is none for the platform. */
async function packaged(): Promise<string | undefined> {
  try {
    const { path } = (await import('@ffmpeg-installer/ffmpeg')).default;
    chmodSync(path, 0o755);
    return path;
  } catch {
    return undefined;
  }
}

/** Every ffmpeg that there is: that of the package, and the system's. */
export const programs: readonly string[] = (
  await Promise.all([await packaged(), 'ffmpeg'].map((path) => (path === undefined ? undefined : programAt(path))))
).flatMap((program) => program?.path ?? []);

/** The one that tests take which need but one. */
export const ffmpeg: string = programs[0] ?? '';

export const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../../fixtures/media/video/${name}`, import.meta.url)));

export interface How extends VideoOptions {
  readonly program?: string | undefined;
  readonly limits?: DecoderLimits | undefined;
}

/** What the cutter makes of bytes, in this process. */
export async function cut(
  bytes: Uint8Array,
  { program = ffmpeg, limits, ...options }: How = {},
): Promise<readonly Cut[]> {
  const settled = settledLimits(limits);
  const input = { bytes, name: 'a video', modality: 'video', mediaType: 'video/x', confidence: 1 } as const;
  return await cutVideo(input, settledVideo(options), {
    limits: settled,
    budget: new Budget(settled),
    ffmpeg: program === 'none' ? undefined : program,
    maxSegmentBytes: 16 << 20,
    member: async () => [],
  });
}

/** The only view that comes of bytes. */
export async function only(bytes: Uint8Array, options: How = {}): Promise<View> {
  const [view, ...others] = await cut(bytes, options);
  if (view === undefined || isRefused(view) || others.length > 0)
    throw new Error(`it is ${view?.suffix} and ${others.length}`);
  return view;
}

/** Frames of a view, as bytes. */
export function framesOf({ bytes = new Uint8Array(0), segments }: View): Uint8Array[] {
  return [...segments.ends].map((end, n) => bytes.subarray(segments.ends[n - 1] ?? 0, end));
}

/** What is said of each segment under a name. */
export const factsOf = ({ segments }: View, name: string): (MetaValue | undefined)[] =>
  Array.from(segments.ends, (_, n) => segments.metas?.[segments.metaOf?.[n] ?? n]?.[name]);

/** Peak signal-to-noise ratio in decibels: how near pictures are; infinite where they are the same. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  let sum = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (const [n, value] of a.entries()) sum += (value - (b[n] ?? 0)) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / sum);
}
