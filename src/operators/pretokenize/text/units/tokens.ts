import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SluiceError } from '../../../../errors.ts';
import type { Meta } from '../../../../records.ts';
import { Failure } from '../../../../sources/failure.ts';
import type { BpeTokenizer } from '../../../../tokenizers/bpeTokenizer.ts';
import { spelled } from '../../../../tokenizers/byteAlphabet.ts';
import { byteLevelBpe } from '../../../../tokenizers/tokenizerFile.ts';
import { parseTokenizerJson, type TokenizerJson } from '../../../../tokenizers/tokenizerJson.ts';
import type { Budget } from '../../budget.ts';
import type { Divide, Units } from './divide.ts';
import type { TokenizerSettings } from './options.ts';

/** Tokenizers of this process by the SHA-256 of their files. */
const loaded = new Map<string, Promise<Divide>>();

/**
 * Divides text into tokens. Byte-level BPE is run here; other kinds by the library of Hugging Face, with ranges that are
 * found by laying its tokens over the text.
 */
export function divideTokens(settings: TokenizerSettings, maxSegmentBytes: number): Promise<Divide> {
  const key = `${settings.sha256} ${maxSegmentBytes}`;
  let divide = loaded.get(key);
  if (divide === undefined) {
    divide = load(settings, maxSegmentBytes);
    loaded.set(key, divide);
  }
  return divide;
}

async function load({ file, sha256 }: TokenizerSettings, maxSegmentBytes: number): Promise<Divide> {
  try {
    const json = readFileSync(file);
    if (createHash('sha256').update(json).digest('hex') !== sha256) {
      throw new Failure(
        'BAD_TOKENIZER',
        'the tokenizer is not what it was when the run was planned',
        'Start again with --fresh.',
      );
    }
    const parsed = parseTokenizerJson(json);
    const form = formOf(parsed);
    const own = ownTokenizer(form === undefined ? parsed : { ...parsed, normalizers: [] });
    if (own !== undefined && form === undefined) return byteLevelUnits(own);
    const { divideByLibrary } = await import('./libraryTokens.ts');
    return own === undefined || form === undefined
      ? divideByLibrary(parsed, maxSegmentBytes)
      : whereNormal(form, byteLevelUnits(own), () => divideByLibrary(parsed, maxSegmentBytes));
  } catch (error) {
    throw asFailure(error);
  }
}

const FORMS: ReadonlySet<string> = new Set(['NFC', 'NFD', 'NFKC', 'NFKD']);

/** The Unicode normalisation form that is all a tokenizer brings text into, added tokens being in it already. */
function formOf({ normalizers, added }: TokenizerJson): string | undefined {
  const [only, ...more] = normalizers;
  if (only === undefined || more.length > 0 || !FORMS.has(only.type)) return undefined;
  return added.every(({ content }) => content.normalize(only.type) === content) ? only.type : undefined;
}

/** Text that is in a form already, as most is, is divided by the one; other text by the other, which is made when it is needed. */
function whereNormal(form: string, normal: Divide, other: () => Divide): Divide {
  let made: Divide | undefined;
  return (bytes, budget) => {
    budget.take(2 * bytes.length, 'the text for its tokenizer');
    const text = isUtf8(bytes) ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) : undefined;
    const isNormal = text !== undefined && text.normalize(form) === text;
    budget.take(-2 * bytes.length, 'the text for its tokenizer');
    if (isNormal) return normal(bytes, budget);
    try {
      made ??= other();
    } catch (error) {
      throw asFailure(error);
    }
    return made(bytes, budget);
  };
}

function ownTokenizer(parsed: TokenizerJson): BpeTokenizer | undefined {
  try {
    return byteLevelBpe(parsed);
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'UNSUPPORTED_TOKENIZER') return undefined;
    throw error;
  }
}

function asFailure(error: unknown): unknown {
  if (error instanceof SluiceError) return new Failure(error.code, error.message, error.hint);
  if (error instanceof Error && 'syscall' in error)
    return new Failure('BAD_TOKENIZER', `the tokenizer cannot be read: ${error.message}`);
  return error;
}

/** Bytes of a token among units: its end, and which facts it has. */
const UNIT_BYTES = 12;

/** Facts of tokens, each once. */
class TokenFacts {
  readonly metas: Meta[] = [];
  readonly #places = new Map<number, number>();

  /** @param token as the vocabulary spells it */
  placeOf(id: number, token: () => { readonly token: string; readonly special: boolean }): number {
    let place = this.#places.get(id);
    if (place === undefined) {
      const { token: text, special } = token();
      place = this.metas.push({ token: text, id, ...(special ? { special } : {}) }) - 1;
      this.#places.set(id, place);
    }
    return place;
  }
}

/** Tokens of byte-level BPE are bytes one behind the other, whatever the text. */
export const byteLevelUnits = (tokenizer: BpeTokenizer): Divide => {
  const { tokens, added } = tokenizer.parts;
  const marks = new Map(added.map((token) => [token.id, token]));
  // the text in which a token was last met, and where its facts stand among those of that text
  const lastText = new Int32Array(tokenizer.size);
  const places = new Uint32Array(tokenizer.size);
  let text = 0;
  const facts: (Meta | undefined)[] = new Array(tokenizer.size).fill(undefined);
  const factsOf = (id: number): Meta => {
    const mark = marks.get(id);
    const token = mark?.content ?? spelled(tokens[id] ?? new Uint8Array(0));
    return { token, id, ...(mark?.special ? { special: true } : {}) };
  };
  return (bytes, budget) => {
    // as many ids as bytes at worst
    budget.take(4 * bytes.length, 'its tokens');
    const ids = encoded(tokenizer, bytes);
    budget.take((4 + UNIT_BYTES) * ids.length - 4 * bytes.length, 'its tokens');
    text++;
    const metas: (Meta | undefined)[] = [];
    const metaOf = new Uint32Array(ids.length);
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at] ?? 0;
      if (lastText[id] !== text) {
        lastText[id] = text;
        facts[id] ??= factsOf(id);
        places[id] = metas.push(facts[id]) - 1;
      }
      metaOf[at] = places[id] ?? 0;
    }
    return { ends: tokenizer.ends(ids), labels: ['text_token'], metas, metaOf };
  };
};

function encoded(tokenizer: BpeTokenizer, bytes: Uint8Array): Uint32Array {
  try {
    return tokenizer.encode(bytes);
  } catch (error) {
    throw asFailure(error);
  }
}

/** Units that a tokenizer has found, as they are collected. */
export class TokenUnits {
  readonly #facts = new TokenFacts();
  readonly #ends: number[] = [];
  readonly #labels: number[] = [];
  readonly #metas: number[] = [];
  readonly #budget: Budget;
  readonly #most: number;
  readonly #bytes: Uint8Array;
  #gapPlace: number | undefined;
  #end = 0;

  constructor(bytes: Uint8Array, budget: Budget, most: number) {
    this.#bytes = bytes;
    this.#budget = budget;
    this.#most = most;
  }

  /** What no token stands for, up to `end`. */
  gap(end: number): void {
    if (end <= this.#end) return;
    this.#gapPlace ??= this.#facts.metas.push({}) - 1;
    this.#upTo(end, 1, this.#gapPlace);
  }

  /** A token that stands for the bytes up to `end`; one of no bytes is left out. */
  token(end: number, id: number, token: string, special: boolean): void {
    if (end <= this.#end) return;
    this.#upTo(
      end,
      0,
      this.#facts.placeOf(id, () => ({ token, special })),
    );
  }

  #upTo(end: number, label: number, place: number): void {
    while (end - this.#end > this.#most) {
      let cut = this.#end + this.#most;
      while (cut > this.#end + 1 && ((this.#bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
      this.#add(cut, label, place);
    }
    this.#add(end, label, place);
  }

  #add(end: number, label: number, place: number): void {
    // in lists of numbers until they are all there, then in columns
    if (this.#ends.length % 4096 === 0) this.#budget.take(4096 * (24 + UNIT_BYTES), 'its tokens');
    this.#ends.push(end);
    this.#labels.push(label);
    this.#metas.push(place);
    this.#end = end;
  }

  units(): Units {
    return {
      ends: Float64Array.from(this.#ends),
      labels: ['text_token', 'text_gap'],
      labelOf: Uint16Array.from(this.#labels),
      metas: this.#facts.metas,
      metaOf: Uint32Array.from(this.#metas),
    };
  }
}
