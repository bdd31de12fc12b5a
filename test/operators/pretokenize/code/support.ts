import { readdirSync, readFileSync } from 'node:fs';
import { settledLimits } from '../../../../src/decoders/limits.ts';
import { Budget } from '../../../../src/operators/pretokenize/budget.ts';
import { cutCode } from '../../../../src/operators/pretokenize/code/cut.ts';
import { type CodeOptions, settledCode } from '../../../../src/operators/pretokenize/code/options.ts';
import type { CutInput } from '../../../../src/operators/pretokenize/modality.ts';
import type { View } from '../../../../src/operators/pretokenize/view.ts';
import type { Meta } from '../../../../src/records.ts';

const FOLDER = new URL('../../../fixtures/media/code/', import.meta.url);

/** Sources by language; each file is named `<language>.<extension>.txt`. */
export const sources: ReadonlyMap<string, { readonly name: string; readonly bytes: Buffer }> = new Map(
  readdirSync(FOLDER).map((file) => [
    file.slice(0, file.indexOf('.')),
    { name: file.slice(0, -4), bytes: readFileSync(new URL(file, FOLDER)) },
  ]),
);

export const sourceOf = (language: string) => sources.get(language)!;

/** Languages that have a grammar; TSX is the same language as TypeScript. */
export const PARSED = [
  ...'rust python javascript typescript tsx java c cpp csharp go ruby php swift dart'.split(' '),
].concat('solidity css vue shell powershell'.split(' '));

export interface CutSegment {
  readonly label: string;
  readonly bytes: Buffer;
  readonly meta: Meta;
}

export interface Given extends CodeOptions {
  readonly name?: string;
  readonly charset?: string;
  readonly transcode?: boolean;
  readonly keepInvalid?: boolean;
  readonly damage?: CutInput['damage'];
  readonly maxSegmentBytes?: number;
}

/** Cuts code in this process. */
export async function view(bytes: Uint8Array, language: string, given: Given = {}): Promise<View> {
  const {
    name,
    charset = 'utf-8',
    transcode = false,
    keepInvalid = false,
    damage,
    maxSegmentBytes,
    ...options
  } = given;
  const limits = settledLimits();
  const input: CutInput = {
    bytes,
    name: name ?? sources.get(language)?.name ?? 'file',
    modality: 'code',
    mediaType: `text/x-${language}`,
    confidence: 1,
    charset,
    language: language === 'tsx' ? 'typescript' : language,
    damage,
  };
  const context = {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes: maxSegmentBytes ?? 16 << 20,
    member: async () => [],
  };
  const [cut, ...others] = await cutCode(input, settledCode(options, { transcode, keepInvalid }), context);
  if (cut === undefined || 'code' in cut || others.length > 0) throw new Error('one view was expected');
  return cut;
}

/** The segments of a view, which must tile the bytes that they are cut from. */
export function segmentsOf(cut: View, bytes: Uint8Array): CutSegment[] {
  const { ends, labels, labelOf, meta, metas } = cut.segments;
  const from = cut.derived === undefined ? bytes : cut.bytes!;
  let at = 0;
  const segments = [...ends].map((end, index) => {
    if (end <= at) throw new Error(`segment ${index} is empty`);
    const part = Buffer.from(from.subarray(at, end));
    at = end;
    return { label: labels[labelOf?.[index] ?? 0]!, bytes: part, meta: { ...meta, ...metas?.[index] } };
  });
  if (at !== from.length) throw new Error(`segments end at ${at} of ${from.length} bytes`);
  return segments;
}

export async function cut(bytes: Uint8Array | string, language: string, given?: Given): Promise<CutSegment[]> {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  return segmentsOf(await view(buffer, language, given), buffer);
}

/** Labels and names, for comparison. */
export const shown = (segments: readonly CutSegment[]): string[] =>
  segments.map(({ label, meta }) => (typeof meta['name'] === 'string' ? `${label} ${meta['name']}` : label));
