import type { Meta } from '../../../records.ts';
import type { Cutter } from '../modality.ts';
import { type SegmentRow, SegmentTableBuilder } from '../segmentTable.ts';
import { textFacts } from '../text/facts.ts';
import { type TextFacts, textView } from '../text/textView.ts';
import type { View } from '../view.ts';
import { grammarOf, loadGrammar } from './grammars.ts';
import { groupsOf } from './groups.ts';
import { type Item, itemsOf } from './items.ts';
import { Lines } from './lines.ts';
import { NODE_KINDS } from './nodeKinds.ts';
import type { CodeSettings } from './options.ts';
import { parse } from './parse.ts';
import { type Piece, piecesOf } from './pieces.ts';
import { type TextBytes, textBytes } from './textBytes.ts';

/** What all segments of a text have in common. */
const textMeta = ({ charset, confidence, language }: TextFacts): Meta => ({
  charset,
  ...(confidence < 1 ? { confidence } : {}),
  ...(language === undefined ? {} : { language }),
});

const GAP = 'code_gap';
const WHOLE = 'code_snippet';

/** Code that is not parsed: pieces of its bytes. */
function wholeView(bytes: Uint8Array, facts: TextFacts, settings: CodeSettings, max: number, why: Meta = {}): View {
  const view = textView(bytes, facts, { maxSegmentBytes: max, transcode: settings.transcode });
  const { segments } = view;
  return {
    ...view,
    segments: { ...segments, labels: [WHOLE], labelOf: undefined, meta: { ...segments.meta, ...why } },
  };
}

/** The kind that takes most of a piece; the first of them where several take as much. */
function mainKind({ kinds }: Piece): string {
  let main = '';
  let most = -1;
  for (const [kind, length] of kinds) {
    if (length > most) {
      main = kind;
      most = length;
    }
  }
  return main;
}

function labelOf(piece: Piece, kind: string): string {
  if (piece.role === 'gap') return GAP;
  return piece.role === 'comment' ? 'comment' : kind;
}

/** The segments of pieces: those longer than `max` bytes in parts, cut as text is. */
function* rows(pieces: readonly Piece[], source: TextBytes, bytes: Uint8Array, facts: TextFacts, max: number) {
  const lines = new Lines(source);
  let begin = lines.at(0);
  for (const [index, piece] of pieces.entries()) {
    const end = lines.at(pieces[index + 1]?.at ?? source.text.length);
    const kind = mainKind(piece);
    const label = labelOf(piece, kind);
    const { name, inner, nodes, hasError, lead, role } = piece;
    const one = nodes === 1 && role !== 'gap';
    const meta: Record<string, string | number | boolean> = {};
    if (kind !== '') meta['node_type'] = kind;
    if (one && inner !== undefined) meta['definition_type'] = inner;
    if (one && name !== undefined) meta['name'] = name;
    if (nodes > 1 && role !== 'gap') meta['nodes'] = nodes;
    if (lead > 0 && one) meta['lead_bytes'] = lead;
    meta['has_error'] = hasError;
    meta['start_row'] = begin[0];
    meta['start_col'] = begin[1];
    meta['end_row'] = end[0];
    meta['end_col'] = end[1];
    begin = end;
    const length = piece.end - piece.start;
    if (length <= max) {
      yield { length, label, meta };
      continue;
    }
    const part = bytes.subarray(piece.start, piece.end);
    let at = 0;
    for (const cut of textView(part, facts, { maxSegmentBytes: max, transcode: false }).segments.ends) {
      yield { length: cut - at, label, meta };
      at = cut;
    }
  }
}

/** Segments of a source that was parsed: its own bytes, or UTF-8 made of them. */
function parsedView(
  bytes: Uint8Array,
  facts: TextFacts,
  transcode: boolean,
  all: Iterable<SegmentRow>,
  meta: Meta,
): View {
  const builder = new SegmentTableBuilder();
  const view = { suffix: '', modality: facts.modality, mediaType: facts.mediaType };
  if (!transcode) {
    for (const row of all) builder.add(row);
    return { ...view, segments: builder.table(meta) };
  }
  // takes the mark at the beginning away; what was cut lies between characters
  const decoder = new TextDecoder(facts.charset);
  const made: Uint8Array[] = [];
  let at = 0;
  for (const row of all) {
    const end = at + row.length;
    const piece = new TextEncoder().encode(decoder.decode(bytes.subarray(at, end), { stream: true }));
    builder.add({ ...row, length: piece.length, origin: [at, end] });
    made.push(piece);
    at = end;
  }
  return { ...view, derived: `${facts.charset} -> utf-8`, bytes: Buffer.concat(made), segments: builder.table(meta) };
}

/**
 * Takes code apart into its outermost definitions and what lies between them; segments tile the source. What cannot be
 * parsed, has no grammar or is too much is taken whole, and `meta.parse` says so.
 *
 * @throws Failure `INVALID_UTF8` for damage, `UNDECODED` where the grammar's package is not installed; re-encoded,
 *   `INVALID_TEXT`, `EMPTY_DOCUMENT`
 */
export const cutCode: Cutter<CodeSettings> = async (input, settings, { maxSegmentBytes, budget }) => {
  const { bytes } = input;
  const facts = textFacts(input, settings);
  const whole = (reason?: string): readonly View[] => {
    const why: Meta = reason === undefined ? {} : { parse: 'skipped', parse_skipped: reason };
    return [wholeView(bytes, facts, settings, maxSegmentBytes, why)];
  };
  if (settings.unit === 'file' || settings.whole.includes(facts.language ?? '')) return whole();
  if (bytes.length > settings.maxParseBytes) return whole('size');
  const source = textBytes(bytes, facts.charset, input.damage === undefined);
  if (source === undefined) return whole('charset');
  const { text } = source;
  // no code has them, and there are scanners that take the square of their number in time
  if (text.includes('\0')) return whole('nul');
  const name = grammarOf(facts.language, input.name, text);
  if (name === undefined) return whole('grammar');
  const grammar = await loadGrammar(name);
  const transcode = settings.transcode && facts.charset !== 'utf-8';
  if (transcode) {
    budget.take(Buffer.byteLength(text), 'text in UTF-8');
    // says what is wrong with it, where something is
    textView(bytes, facts, { maxSegmentBytes, transcode });
  }
  const parsed = parse(grammar, text, settings.maxParseSteps);
  if ('skipped' in parsed) return whole(parsed.skipped);
  let items: readonly Item[];
  try {
    items = itemsOf(parsed.tree, text, NODE_KINDS[name]);
  } finally {
    parsed.tree.delete();
  }
  const groups = groupsOf(items, text, settings.comments === 'attached');
  if (groups.length === 0) return whole('empty');
  const pieces = piecesOf(groups, text, source, settings.minSegmentBytes);
  const meta = { ...textMeta(facts), ...(name === 'cpp' ? { language: 'cpp' } : {}), parser: grammar.origin };
  return [parsedView(bytes, facts, transcode, rows(pieces, source, bytes, facts, maxSegmentBytes), meta)];
};
