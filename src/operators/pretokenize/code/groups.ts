import type { Item } from './items.ts';

/** What becomes one segment, unless it is joined to another. Offsets count UTF-16 code units. */
export interface Group {
  readonly role: 'definition' | 'import' | 'comment' | 'gap';
  /** Where it begins, comments and attributes that belong to it included. */
  readonly start: number;
  /** Where the definition itself begins. */
  readonly nodeStart: number;
  end: number;
  readonly kind: string;
  readonly name?: string | undefined;
  readonly inner?: string | undefined;
  hasError: boolean;
}

/** Whether there is no more than one line end between two places: nothing but white space is. */
function isBeside(text: string, from: number, to: number): boolean {
  const between = text.slice(from, to);
  return between.indexOf('\n') === between.lastIndexOf('\n');
}

const isSameLine = (text: string, from: number, to: number): boolean => !text.slice(from, to).includes('\n');

/**
 * Puts together what belongs together: attributes, and comments right above it, with what follows; comments on the same
 * line with what precedes.
 */
export function groupsOf(items: readonly Item[], text: string, attachComments: boolean): Group[] {
  const groups: Group[] = [];
  /** Comments and attributes that what follows may claim. */
  let waiting: Item[] = [];

  const release = (count: number): void => {
    for (const { role, kind, start, end, hasError } of waiting.slice(0, count)) {
      groups.push({ role: role === 'comment' ? role : 'gap', kind, start, nodeStart: start, end, hasError });
    }
    waiting = waiting.slice(count);
  };

  /** How many of those that wait are left when the item claims what stands right above it. */
  const unclaimed = (item: Item): number => {
    let next = item.start;
    let first = waiting.length;
    for (let index = waiting.length - 1; index >= 0; index--) {
      const before = waiting[index];
      if (before === undefined || !isBeside(text, before.end, next)) break;
      if (before.role === 'comment' && (!attachComments || item.role === 'import')) break;
      first = index;
      next = before.start;
    }
    return first;
  };

  for (const item of items) {
    const previous = waiting.length === 0 ? groups.at(-1) : undefined;
    if (item.role === 'comment' && previous !== undefined && previous.role !== 'comment') {
      if (isSameLine(text, previous.end, item.start)) {
        previous.end = item.end;
        continue;
      }
    }
    if (item.role === 'comment' || item.role === 'lead') {
      waiting.push(item);
      continue;
    }
    if (item.role === 'trail' && previous !== undefined && previous.role !== 'comment') {
      previous.end = item.end;
      previous.hasError ||= item.hasError;
      continue;
    }
    release(unclaimed(item));
    const start = waiting[0]?.start ?? item.start;
    const hasError = item.hasError || waiting.some((lead) => lead.hasError);
    waiting = [];
    const role = item.role === 'trail' ? 'gap' : item.role;
    const { kind, end, name, inner } = item;
    groups.push({ role, kind, start, nodeStart: item.start, end, name, inner, hasError });
  }
  release(waiting.length);
  return groups;
}
