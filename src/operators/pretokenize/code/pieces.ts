import type { Group } from './groups.ts';
import type { TextBytes } from './textBytes.ts';

/** A range of a source; together they tile it. */
export interface Piece {
  readonly role: Group['role'];
  /** Where it begins, in UTF-16 code units and in bytes. */
  readonly at: number;
  readonly start: number;
  end: number;
  /** Kinds of the nodes in it, with how many there are of each. */
  readonly kinds: Map<string, number>;
  readonly name?: string | undefined;
  readonly inner?: string | undefined;
  /** Nodes that were joined, gaps and comments not counted where they were joined to something else. */
  nodes: number;
  hasError: boolean;
  /** Bytes before the definition itself. */
  lead: number;
  /** Whether everything in it is shorter than what is joined. */
  small: boolean;
}

/**
 * Where a group begins so that all groups tile the text: the blanks before its first line are its own, what comes before
 * them, line ends and empty lines, is the group's before.
 */
function cutBefore({ start }: Group, previous: Group, text: string): number {
  const between = text.slice(previous.end, start);
  const line = between.lastIndexOf('\n');
  return line === -1 ? start : previous.end + line + 1;
}

/** Groups with the white space between them, in bytes. */
function tiled(groups: readonly Group[], text: string, bytes: TextBytes, minBytes: number): Piece[] {
  const pieces: Piece[] = [];
  let previous: Group | undefined;
  for (const group of groups) {
    const at = previous === undefined ? 0 : cutBefore(group, previous, text);
    const start = bytes.at(at);
    const before = pieces.at(-1);
    if (before !== undefined) close(before, start, minBytes);
    const { role, name, inner, hasError } = group;
    const kinds = new Map([[group.kind, 1]]);
    const lead = bytes.at(group.nodeStart) - start;
    pieces.push({ role, at, start, end: start, kinds, name, inner, hasError, nodes: 1, lead, small: false });
    previous = group;
  }
  const last = pieces.at(-1);
  if (last !== undefined) close(last, bytes.length, minBytes);
  return pieces;
}

function close(piece: Piece, end: number, minBytes: number): void {
  piece.end = end;
  piece.small = end - piece.start < minBytes;
}

/** Whether two pieces of the same role are better one: all but definitions of which one is long, or of another kind. */
function isRun(a: Piece, b: Piece): boolean {
  if (a.role !== b.role) return false;
  if (a.role !== 'definition') return true;
  return a.small && b.small && a.kinds.keys().next().value === b.kinds.keys().next().value && a.inner === b.inner;
}

function join(a: Piece, b: Piece): void {
  a.end = b.end;
  a.nodes += b.nodes;
  a.hasError ||= b.hasError;
  for (const [kind, count] of b.kinds) a.kinds.set(kind, (a.kinds.get(kind) ?? 0) + count);
}

function runs(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last !== undefined && isRun(last, piece)) join(last, piece);
    else joined.push(piece);
  }
  return joined;
}

/** Joins what is too short to stand by itself: comments to what follows, gaps to what precedes, else the other way. */
function withoutShort(pieces: readonly Piece[], minBytes: number): Piece[] {
  const kept: Piece[] = [];
  let held: Piece | undefined;
  for (const piece of pieces) {
    let own = piece;
    if (held !== undefined) {
      const { at, start, end } = held;
      const hasError = piece.hasError || held.hasError;
      own = { ...piece, at, start, hasError, lead: piece.lead + (end - start) };
      held = undefined;
    }
    const last = kept.at(-1);
    const isShort = own.end - own.start < minBytes && (own.role === 'comment' || own.role === 'gap');
    if (isShort && own.role === 'gap' && last !== undefined) {
      last.end = own.end;
      last.hasError ||= own.hasError;
    } else if (isShort) held = own;
    else kept.push(own);
  }
  if (held === undefined) return kept;
  const last = kept.at(-1);
  if (last === undefined) return [held];
  last.end = held.end;
  last.hasError ||= held.hasError;
  return kept;
}

/** The pieces that groups become: they tile the text, and what is shorter than `minBytes` is joined where it can be. */
export function piecesOf(groups: readonly Group[], text: string, bytes: TextBytes, minBytes: number): Piece[] {
  return runs(withoutShort(runs(tiled(groups, text, bytes, minBytes)), minBytes));
}
