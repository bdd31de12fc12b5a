import type { Position, RecordError } from '../errors.ts';

/** Rejects of one code. */
interface RejectKind {
  readonly code: string;
  readonly count: number;
  /** The first of them in the order of the source. */
  readonly example: Example;
}

interface Example {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly path?: string | undefined;
  readonly position?: Position | undefined;
}

/** Characters of a message or a hint that are kept: both may quote the input. */
const MOST_CHARACTERS = 300;

/** Counts rejects by code, with one example of each, whatever order they come in. */
export class RejectKinds {
  readonly #kinds = new Map<string, RejectKind>();

  add({ code, message, hint, path, position }: RecordError): void {
    const example = { message: shortened(message), hint: hint && shortened(hint), path, position };
    const known = this.#kinds.get(code);
    const first = known === undefined || isBefore(example, known.example) ? example : known.example;
    this.#kinds.set(code, { code, count: (known?.count ?? 0) + 1, example: first });
  }

  /** Adds those of a split that comes later in the plan. */
  append(later: RejectKinds): void {
    for (const kind of later.#kinds.values()) {
      const { example = kind.example, count = 0 } = this.#kinds.get(kind.code) ?? {};
      this.#kinds.set(kind.code, { ...kind, count: count + kind.count, example });
    }
  }

  /** The code that most have; of equals the first by name. */
  get commonest(): RejectKind | undefined {
    const [first] = [...this.#kinds.values()].sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
    return first;
  }
}

function isBefore(a: Example, b: Example): boolean {
  const [place, other] = [a.position?.ordinal ?? -1, b.position?.ordinal ?? -1];
  return place < other || (place === other && a.message < b.message);
}

function shortened(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS - 1)}…` : text;
}
