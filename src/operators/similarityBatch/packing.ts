/** What a batch may hold; a document that exceeds it by itself is a batch by itself. */
export interface BatchLimits {
  /** Tokens. */
  readonly tokens: number;
  /** Count every document as long as the longest of its batch. */
  readonly padded: boolean;
  readonly documents: number;
}

/** Documents that stay together. */
interface Run {
  /** The longest first. */
  readonly documents: readonly number[];
  /** Tokens of the longest. */
  readonly longest: number;
  /** Tokens of all. */
  readonly tokens: number;
}

/** A document shorter than this part of the longest of its run begins another one, where padding counts. */
const ALIKE_LENGTH = 0.65;
/** Runs that are tried, beyond one that does not fit, to fill a batch. */
const LOOK_AHEAD = 256;

/**
 * Divides the documents of a window into batches within `limits`. Alike documents of about one length stay together in
 * runs, of which the longest come first; each batch takes the longest run that is left, and behind it those that
 * fit. So a batch is full but for the last ones, its documents are of about one length, and time grows with the
 * documents alone (and what sorting takes).
 *
 * Batches come in the order of their first documents; in a batch, groups do, and documents within a group.
 *
 * @param lengths tokens of each document
 * @param groupOf the first document of the group that a document belongs to
 */
export function packed(
  lengths: ArrayLike<number>,
  groupOf: (document: number) => number,
  limits: BatchLimits,
): number[][] {
  const groups = new Map<number, number[]>();
  for (let document = 0; document < lengths.length; document++) {
    const group = groupOf(document);
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [document]);
    else members.push(document);
  }
  const runs = [...groups.values()].flatMap((members) => runsOf(members, lengths, limits));
  // sorting is stable: of runs of one length that of the group which begins first goes first
  const batches = filled(
    runs.sort((a, b) => b.longest - a.longest),
    limits,
  );
  for (const batch of batches) batch.sort((a, b) => groupOf(a) - groupOf(b) || a - b);
  const firsts = new Map(batches.map((batch) => [batch, batch.reduce((first, one) => Math.min(first, one))]));
  return batches.sort((a, b) => (firsts.get(a) ?? 0) - (firsts.get(b) ?? 0));
}

/** A group as runs, each of which fits a batch. */
function runsOf(members: readonly number[], lengths: ArrayLike<number>, limits: BatchLimits): Run[] {
  const length = (document: number): number => lengths[document] ?? 0;
  const runs: Run[] = [];
  let open: Filling | undefined;
  for (const document of [...members].sort((a, b) => length(b) - length(a))) {
    const tokens = length(document);
    const one = { documents: [document], longest: tokens, tokens };
    const isShort = limits.padded && open !== undefined && tokens < ALIKE_LENGTH * open.longest;
    if (open !== undefined && !isShort && open.fits(one)) {
      open.add(one);
    } else {
      open = new Filling(one, limits);
      runs.push(open);
    }
  }
  return runs;
}

function filled(runs: readonly Run[], limits: BatchLimits): number[][] {
  const batches: number[][] = [];
  /** Of each run that is left: the next one that is. */
  const next = runs.map((_, i) => i + 1);
  for (let head = 0; head < runs.length; ) {
    const batch = new Filling(runAt(runs, head), limits);
    head = next[head] ?? runs.length;
    let missed = 0;
    let before = -1;
    for (let at = head; at < runs.length && missed < LOOK_AHEAD && !batch.isFull; at = next[at] ?? runs.length) {
      const run = runAt(runs, at);
      if (!batch.fits(run)) {
        missed++;
        before = at;
        continue;
      }
      batch.add(run);
      const behind = next[at] ?? runs.length;
      if (before < 0) head = behind;
      else next[before] = behind;
    }
    batches.push(batch.documents);
  }
  return batches;
}

function runAt(runs: readonly Run[], at: number): Run {
  const run = runs[at];
  if (run === undefined) throw new RangeError(`There is no run ${at}.`);
  return run;
}

/** A run, or a batch, that others are added to. */
class Filling implements Run {
  readonly documents: number[];
  longest: number;
  tokens: number;
  readonly #limits: BatchLimits;

  constructor(first: Run, limits: BatchLimits) {
    this.documents = [...first.documents];
    this.longest = first.longest;
    this.tokens = first.tokens;
    this.#limits = limits;
  }

  /** Not even a document of one token would fit. */
  get isFull(): boolean {
    return !this.#holds(1, this.longest, 1);
  }

  fits({ documents, longest, tokens }: Run): boolean {
    return this.#holds(documents.length, Math.max(longest, this.longest), tokens);
  }

  add({ documents, longest, tokens }: Run): void {
    for (const document of documents) this.documents.push(document);
    this.longest = Math.max(this.longest, longest);
    this.tokens += tokens;
  }

  #holds(more: number, longest: number, tokens: number): boolean {
    const documents = this.documents.length + more;
    if (documents > this.#limits.documents) return false;
    return (this.#limits.padded ? documents * longest : this.tokens + tokens) <= this.#limits.tokens;
  }
}
