import type { Budget } from '../../budget.ts';
import type { CutContext, CutInput } from '../../modality.ts';
import type { Cut, SegmentTable, View } from '../../view.ts';
import { isRefused } from '../../view.ts';
import type { TextFacts } from '../textView.ts';
import { divideCharacters } from './characters.ts';
import { type CharsetMap, charsetMap } from './charsetMap.ts';
import type { Divide, Units } from './divide.ts';
import type { UnitsSettings } from './options.ts';
import { divideBySegmenter } from './segmenter.ts';

type Asked = Exclude<UnitsSettings, { readonly kind: 'document' }>;

async function divideOf(units: UnitsSettings, maxSegmentBytes: number): Promise<Divide> {
  switch (units.kind) {
    case 'graphemes':
    case 'words':
      return divideBySegmenter(units.kind, maxSegmentBytes);
    case 'tokenizer':
      return (await import('./tokens.ts')).divideTokens(units, maxSegmentBytes);
    default:
      return divideCharacters;
  }
}

/**
 * Text in units: the record's own bytes where it is UTF-8, or where its characters are asked for and its charset is to be
 * kept; else UTF-8 that says which bytes each unit was.
 *
 * @throws Failure `INVALID_TEXT`, `DECODED_TOO_LARGE`, `BAD_TOKENIZER`, `UNALIGNED_TOKENS`
 */
export async function unitsView(
  bytes: Uint8Array,
  facts: TextFacts,
  { units, transcode }: { readonly units: UnitsSettings; readonly transcode: boolean },
  { maxSegmentBytes, budget }: Pick<CutContext, 'maxSegmentBytes' | 'budget'>,
): Promise<View> {
  const { charset, confidence, modality, mediaType, language } = facts;
  const meta = { charset, ...(confidence < 1 ? { confidence } : {}), ...(language === undefined ? {} : { language }) };
  const divide = await divideOf(units, maxSegmentBytes);
  const view = { suffix: '', modality, mediaType };
  if (charset === 'utf-8') return { ...view, segments: { ...divide(bytes, budget), meta } };
  const map = charsetMap(bytes, charset, budget);
  if (units.kind === 'characters' && !transcode) {
    return { ...view, segments: { ends: map.sourceEnds, labels: ['char'], meta } };
  }
  const divided = divide(map.utf8, budget);
  return {
    ...view,
    derived: `${charset} -> utf-8`,
    bytes: map.utf8,
    segments: { ...divided, origins: originsOf(divided, map, budget), meta },
  };
}

/** From which bytes of the source each unit comes: those of all characters that it has a part of. */
function originsOf({ ends }: Units, { sourceEnds, utf8Ends }: CharsetMap, budget: Budget): Float64Array {
  budget.take(16 * ends.length, 'where its units come from');
  const origins = new Float64Array(2 * ends.length);
  let character = 0;
  let start = 0;
  for (const [unit, end] of ends.entries()) {
    while (character < utf8Ends.length && (utf8Ends[character] ?? 0) <= start && unit > 0) character++;
    origins[2 * unit] = character === 0 ? 0 : (sourceEnds[character - 1] ?? 0);
    while (character < utf8Ends.length - 1 && (utf8Ends[character] ?? 0) < end) character++;
    origins[2 * unit + 1] = sourceEnds[character] ?? 0;
    start = end;
  }
  // what follows the last character and is none, such as an escape back to ASCII
  if (ends.length > 0) origins[2 * ends.length - 1] = sourceEnds.at(-1) ?? 0;
  return origins;
}

/** Divides the text that was taken out of a record, or normalised; other views, and those of members, are left alone. */
export async function inUnits(
  cuts: readonly Cut[],
  input: CutInput,
  units: Asked,
  { maxSegmentBytes, budget }: Pick<CutContext, 'maxSegmentBytes' | 'budget'>,
): Promise<readonly Cut[]> {
  const divide = await divideOf(units, maxSegmentBytes);
  return cuts.map((cut) => {
    if (isRefused(cut) || cut.member !== undefined || cut.modality !== input.modality || cut.bytes === undefined)
      return cut;
    const divided = divide(cut.bytes, budget);
    return { ...cut, segments: { ...divided, ...origins(divided, cut.segments), meta: cut.segments.meta } };
  });
}

/** The origins of units that lie within segments of their own. */
function origins({ ends }: Units, { origins: whole, ends: outer }: SegmentTable): { readonly origins?: Float64Array } {
  if (whole === undefined) return {};
  const own = new Float64Array(2 * ends.length);
  let segment = 0;
  let start = 0;
  for (const [unit, end] of ends.entries()) {
    while (segment < outer.length - 1 && (outer[segment] ?? 0) <= start) segment++;
    own[2 * unit] = whole[2 * segment] ?? 0;
    while (segment < outer.length - 1 && (outer[segment] ?? 0) < end) segment++;
    own[2 * unit + 1] = whole[2 * segment + 1] ?? 0;
    start = end;
  }
  return { origins: own };
}
