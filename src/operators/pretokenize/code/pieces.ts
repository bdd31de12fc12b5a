import type { Group } from './groups.ts';
import type { TextBytes } from './textBytes.ts';

/** A range of a source; together they tile it. */
export interface Piece {
  readonly role: Group['role'];
  /** Where it begins, in UTF-16 code units and in bytes. */
  readonly at: number;
  readonly start: number;
  end: number;
  /** Kinds of the nodes in it, with how long all of a kind are. */
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

/** Whether two pieces of the same role are better one: all but definitions of which one is long, or of another kind. */
function isRun(a: Piece, b: Piece): boolean {
  if (a.role !== b.role) return false;
  if (a.role !== 'definition') return true;
  return a.small && b.small && firstKind(a) === firstKind(b) && a.inner === b.inner;
}

const firstKind = ({ kinds }: Piece): string | undefined => kinds.keys().next().value;

function join(a: Piece, b: Piece): void {
  a.end = b.end;
  a.nodes += b.nodes;
  a.hasError ||= b.hasError;
  for (const [kind, length] of b.kinds) a.kinds.set(kind, (a.kinds.get(kind) ?? 0) + length);
}

/** Joins the last piece, which has its end by now, to the one before if both are a run. */
function settle(pieces: Piece[]): void {
  const last = pieces.at(-1);
  const before = pieces.at(-2);
  if (last === undefined || before === undefined || !isRun(before, last)) return;
  join(before, last);
  pieces.pop();
}

/** Groups with the white space between them, in bytes, runs joined. */
function tiled(groups: readonly Group[], text: string, bytes: TextBytes, minBytes: number): Piece[] {
  const pieces: Piece[] = [];
  const close = (end: number): void => {
    const last = pieces.at(-1);
    if (last === undefined) return;
    last.end = end;
    last.small = end - last.start < minBytes;
    settle(pieces);
  };
  let previous: Group | undefined;
  for (const group of groups) {
    const at = previous === undefined ? 0 : cutBefore(group, previous, text);
    const start = bytes.at(at);
    close(start);
    const { role, name, inner, hasError } = group;
    const kinds = new Map([[group.kind, group.end - group.nodeStart]]);
    const lead = group.nodeStart === group.start ? 0 : bytes.at(group.nodeStart) - start;
    pieces.push({ role, at, start, end: start, kinds, name, inner, hasError, nodes: 1, lead, small: false });
    previous = group;
  }
  close(bytes.length);
  return pieces;
}

function runs(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    joined.push(piece);
    settle(joined);
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
  return runs(withoutShort(tiled(groups, text, bytes, minBytes), minBytes));
}
