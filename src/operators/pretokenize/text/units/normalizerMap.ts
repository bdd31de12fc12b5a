import { Failure } from '../../../../sources/failure.ts';
import type { Step } from '../../../../tokenizers/tokenizerJson.ts';
import { library } from './library.ts';

/** Text on its way through normalizers, and which bytes of the source each of its bytes stands for. */
export interface Mapped {
  readonly text: string;
  /** UTF-8 of the text. */
  readonly bytes: Uint8Array;
  /** Where the characters that a byte stands for begin in the source, and where they end. Absent: where the byte is. */
  readonly map?: { readonly starts: Int32Array; readonly ends: Int32Array } | undefined;
}

const encoder = new TextEncoder();

export const sourceStart = ({ map, bytes }: Mapped, at: number): number =>
  map === undefined || at >= bytes.length ? (map?.ends.at(-1) ?? at) : (map.starts[at] ?? at);

export const sourceEnd = ({ map }: Mapped, end: number): number =>
  map === undefined ? end : end === 0 ? 0 : (map.ends[end - 1] ?? end);

/** What a part of the text before a step becomes. */
interface Part {
  readonly from: string;
  readonly to: string;
  /** Each byte becomes the one at its place. */
  readonly bytewise?: boolean;
}

/** What may join with the character before it in a normal form: marks, vowels and finals of Hangul, halfwidth voice marks. */
const CLUSTER = /[\s\S][\p{M}\u1160-\u11ff\uff9e\uff9f]*/gu;
const ASCII_ONLY = /^[\x20-\x7e]*$/;

function unaligned(step: Step): Failure {
  return new Failure(
    'UNALIGNED_TOKENS',
    `it cannot be told which bytes the tokens stand for: '${step.type}' changes the text in a way that is not followed here`,
    'Take a tokenizer that keeps text as it is, such as a byte-level one.',
  );
}

/** Normalizers of a tokenizer, step by step, so that each byte of what they make can be followed back. */
export class NormalizerMap {
  readonly #steps: readonly { readonly step: Step; readonly run: (text: string) => string }[];
  /** What clusters become, for each step. */
  readonly #known: Map<string, string>[];

  constructor(steps: readonly Step[]) {
    this.#steps = steps.map((step) => {
      const one = new library.SequenceNormalizer({ type: 'Sequence', normalizers: [step] });
      return { step, run: (text) => one.normalize(text) };
    });
    this.#known = steps.map(() => new Map());
  }

  get any(): boolean {
    return this.#steps.length > 0;
  }

  /** @throws Failure `UNALIGNED_TOKENS` */
  apply(text: string): Mapped {
    let mapped: Mapped = { text, bytes: encoder.encode(text) };
    for (const [index, { step, run }] of this.#steps.entries()) {
      const text = run(mapped.text);
      if (text === mapped.text) continue;
      const next = through(mapped, text, this.#parts(index, step, mapped.text));
      if (next === undefined) throw unaligned(step);
      mapped = next;
    }
    return mapped;
  }

  /** What each part of a text becomes. */
  *#parts(index: number, step: Step, from: string): Generator<Part> {
    if (step.type === 'Prepend') {
      yield { from: '', to: String(step['prepend'] ?? '') };
      yield same(from);
    } else if (step.type === 'Strip') yield* stripped(step, from);
    else if (step.type === 'Replace') yield* replaced(step, from);
    else yield* this.#clusters(index, from);
  }

  *#clusters(index: number, from: string): Generator<Part> {
    const run = this.#steps[index]?.run ?? String;
    const known = this.#known[index] ?? new Map<string, string>();
    if (known.size > 50_000) known.clear();
    for (const [word] of from.matchAll(/\s+|\S+/gu)) {
      const whole = ASCII_ONLY.test(word) ? run(word) : undefined;
      if (whole?.length === word.length) {
        yield { from: word, to: whole, bytewise: true };
        continue;
      }
      for (const [cluster] of word.matchAll(CLUSTER)) {
        let to = known.get(cluster);
        if (to === undefined) {
          to = run(cluster);
          known.set(cluster, to);
        }
        yield { from: cluster, to };
      }
    }
  }
}

const same = (text: string): Part => ({ from: text, to: text, bytewise: true });

function* replaced(step: Step, from: string): Generator<Part> {
  const { pattern } = new library.ReplaceNormalizer(step);
  if (pattern === null) throw unaligned(step);
  const to = String(step['content'] ?? '');
  let at = 0;
  for (const match of from.matchAll(pattern)) {
    yield same(from.slice(at, match.index));
    yield { from: match[0], to };
    at = match.index + match[0].length;
  }
  yield same(from.slice(at));
}

function* stripped(step: Step, from: string): Generator<Part> {
  const left = step['strip_left'] ? from.length - from.trimStart().length : 0;
  const kept = step['strip_right'] ? from.trimEnd().length : from.length;
  const end = Math.max(left, kept);
  yield { from: from.slice(0, left), to: '' };
  yield same(from.slice(left, end));
  yield { from: from.slice(end), to: '' };
}

/** A sigma at the end of a word is another letter than one within, which no part knows. */
const folded = (text: string): string => text.replaceAll('ς', 'σ');

/** The map of a text behind a step, from the one before it and what its parts become; undefined where they make another text. */
function through(before: Mapped, text: string, parts: Iterable<Part>): Mapped | undefined {
  const bytes = encoder.encode(text);
  const starts = new Int32Array(bytes.length);
  const ends = new Int32Array(bytes.length);
  let old = 0;
  let now = 0;
  let unit = 0;
  for (const { from, to, bytewise = from === to } of parts) {
    if (!text.startsWith(to, unit) && folded(to) !== folded(text.slice(unit, unit + to.length))) return undefined;
    unit += to.length;
    const next = old + Buffer.byteLength(from);
    const end = now + Buffer.byteLength(to);
    if (bytewise) {
      // tokens may be single bytes of characters that stay what they are
      for (let byte = 0; byte < next - old; byte++) {
        starts[now + byte] = sourceStart(before, old + byte);
        ends[now + byte] = sourceEnd(before, old + byte + 1);
      }
    } else {
      starts.fill(sourceStart(before, old), now, end);
      ends.fill(next > old ? sourceEnd(before, next) : sourceStart(before, old), now, end);
    }
    old = next;
    now = end;
  }
  return unit === text.length ? { text, bytes, map: { starts, ends } } : undefined;
}
