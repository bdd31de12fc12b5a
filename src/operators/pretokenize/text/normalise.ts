import { SegmentTableBuilder } from '../segmentTable.ts';
import type { View } from '../view.ts';

export const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

/** A Unicode normalisation form (UAX #15). */
export type Form = (typeof FORMS)[number];

/** How text was brought into a form: the tables are those of a version of Unicode. */
export const normalisedBy = (form: Form): string => `${form} (Unicode ${process.versions.unicode})`;

/** A character that may combine with what stands before it: marks, and vowels and finals of Hangul (UAX #15, section 9). */
const COMBINES = /^[\p{M}\u1160-\u11ff]/u;

/**
 * Where text can be parted, as late as possible, so that its parts normalise to the parts of the whole: before a character
 * that no normalisation joins with those before it, or behind a line. 0 where there is no such place.
 */
function lastBoundary(text: string): number {
  // nothing joins with a line end
  if (text.endsWith('\n')) return text.length;
  for (let at = text.length; at > 0; ) {
    const low = text.charCodeAt(at - 1);
    at -= at > 1 && low >= 0xdc00 && low < 0xe000 ? 2 : 1;
    const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
    if (low < 0x80 || !COMBINES.test(char.normalize('NFKD'))) return at;
  }
  return 0;
}

/** Normalises segment by segment; what may still combine with the next one is counted to that. */
function pieces(bytes: Uint8Array, ends: Float64Array, form: Form): Buffer[] | undefined {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const all: Buffer[] = [];
  let carried = '';
  let start = 0;
  try {
    for (const [index, end] of ends.entries()) {
      const last = index === ends.length - 1;
      const text = carried + strict.decode(bytes.subarray(start, end), { stream: !last });
      const boundary = last ? text.length : lastBoundary(text);
      carried = text.slice(boundary);
      all.push(Buffer.from(text.slice(0, boundary).normalize(form)));
      start = end;
    }
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
  return all;
}

/**
 * A view of UTF-8 text in a normalisation form, derived segment by segment; the view itself where that changes nothing, and
 * where its bytes are no UTF-8.
 *
 * @param content the bytes of the record, for segments that are not derived yet
 */
export function normalisedView(view: View, content: Uint8Array, form: Form): View {
  const { segments, derived } = view;
  const bytes = derived === undefined ? content : (view.bytes ?? new Uint8Array(0));
  const texts = pieces(bytes, segments.ends, form);
  if (texts === undefined) return view;
  const normalised = Buffer.concat(texts);
  if (normalised.equals(bytes)) return view;
  const builder = new SegmentTableBuilder();
  const from = derived === undefined ? [0, ...segments.ends].flatMap((at) => [at, at]).slice(1, -1) : segments.origins;
  for (const [index, text] of texts.entries()) {
    builder.add({
      length: text.length,
      label: segments.labels[segments.labelOf?.[index] ?? 0] ?? view.modality,
      origin: [from?.[2 * index] ?? 0, from?.[2 * index + 1] ?? content.length],
    });
  }
  return {
    ...view,
    derived: `${derived ?? 'utf-8'} -> ${normalisedBy(form)}`,
    bytes: normalised,
    segments: builder.table(segments.meta),
  };
}
