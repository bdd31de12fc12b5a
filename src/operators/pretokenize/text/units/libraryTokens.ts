import { isUtf8 } from 'node:buffer';
import { ModelError } from '../../../../errors.ts';
import { Failure } from '../../../../sources/failure.ts';
import { AddedTokenFinder } from '../../../../tokenizers/addedTokens.ts';
import type { FileToken, TokenizerJson } from '../../../../tokenizers/tokenizerJson.ts';
import { widthAt } from './characters.ts';
import type { Divide } from './divide.ts';
import { type LibraryTokenizer, library } from './library.ts';
import { type Piece, piecesOf } from './modelPieces.ts';
import { type Mapped, NormalizerMap, sourceEnd, sourceStart } from './normalizerMap.ts';
import { spellingOf, WordPlaces } from './placeWords.ts';
import { TokenUnits } from './tokens.ts';

/**
 * Tokens as the library of Hugging Face makes them, with the bytes that each stands for: its words are found again in the
 * normalized text, and that is followed back through the normalizers.
 *
 * @throws ModelError `BAD_TOKENIZER`, `UNSUPPORTED_TOKENIZER`
 */
export function divideByLibrary(parsed: TokenizerJson, maxSegmentBytes: number): Divide {
  const aligner = new Aligner(parsed);
  return (bytes, budget) => {
    // strings, words and maps of them, which go again
    const passing = 24 * bytes.length;
    budget.take(passing, 'the text for its tokenizer');
    const units = new TokenUnits(bytes, budget, maxSegmentBytes);
    for (const { from, to } of validRuns(bytes)) {
      units.gap(from);
      try {
        aligner.add(bytes.subarray(from, to), from, units);
      } catch (error) {
        if (error instanceof Failure) throw error;
        throw new Failure('TOKENIZER_FAILED', `the tokenizer does not cope with the text: ${error}`, WHEN_TOO_LONG);
      }
    }
    units.gap(bytes.length);
    budget.take(-passing, 'the text for its tokenizer');
    return units.units();
  };
}

const WHEN_TOO_LONG = 'Some cannot take long texts: divide them beforehand.';

/** Runs of UTF-8 without faults. */
function* validRuns(bytes: Uint8Array): Generator<{ readonly from: number; readonly to: number }> {
  if (isUtf8(bytes)) {
    yield { from: 0, to: bytes.length };
    return;
  }
  let from = 0;
  for (let at = 0; at < bytes.length; ) {
    const width = widthAt(bytes, at);
    const fault = width === 1 && (bytes[at] ?? 0) >= 0x80;
    if (fault && at > from) yield { from, to: at };
    at += width;
    if (fault) from = at;
  }
  if (from < bytes.length) yield { from, to: bytes.length };
}

class Aligner {
  readonly #library: LibraryTokenizer;
  readonly #normalizers: NormalizerMap;
  readonly #places: WordPlaces;
  readonly #pieces: (word: string) => readonly Piece[];
  readonly #tokens: ReadonlyMap<number, FileToken>;
  /** Added tokens that are looked for before text is normalized, and behind. */
  readonly #before: AddedTokenFinder;
  readonly #behind: AddedTokenFinder;
  readonly #parts: RegExp | undefined;

  constructor(parsed: TokenizerJson) {
    const { value, added, normalizers, preTokenizers } = parsed;
    try {
      this.#library = new library.Tokenizer(
        { normalizer: null, pre_tokenizer: null, added_tokens: [], ...value, post_processor: null, decoder: null },
        {},
      );
      this.#normalizers = new NormalizerMap(normalizers);
    } catch (error) {
      throw new ModelError(`the tokenizer cannot be used: ${error instanceof Error ? error.message : error}`, {
        code: 'BAD_TOKENIZER',
        cause: error,
      });
    }
    requireFaithful(parsed);
    this.#pieces = piecesOf(parsed.type, this.#library.model);
    const spelling = spellingOf(preTokenizers);
    this.#places = new WordPlaces(spelling);
    this.#tokens = new Map(added.map((token) => [token.id, token]));
    const late = (token: FileToken): boolean => token.normalized && this.#normalizers.any;
    this.#before = new AddedTokenFinder(added.filter((token) => !late(token)));
    this.#behind = new AddedTokenFinder(
      added.filter(late).map((token) => ({ ...token, content: this.#normalizers.apply(token.content).text })),
    );
    this.#parts = partsOf(parsed, spelling.blank === -1 ? '▁' : String.fromCodePoint(spelling.blank));
  }

  /** Adds the tokens of a run of UTF-8 that begins at `base`. */
  add(bytes: Uint8Array, base: number, units: TokenUnits): void {
    const sections = [...this.#sections(bytes, this.#before)];
    for (const [index, { from, to, token }] of sections.entries()) {
      if (token !== undefined) {
        units.gap(base + from);
        units.token(base + to, token.id, token.content, token.special);
        continue;
      }
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(from, to));
      this.#addNormalized(this.#normalizers.apply(text), base + from, index, units);
    }
  }

  /** Added tokens, with the white space that they take, and what lies between them. */
  *#sections(bytes: Uint8Array, finder: AddedTokenFinder) {
    let from = 0;
    while (from < bytes.length) {
      const found = finder.next(bytes, from);
      const token = found && this.#tokens.get(found.id);
      let start = found?.start ?? bytes.length;
      let end = found?.end ?? bytes.length;
      if (token?.before) while (start > from && isBlank(bytes[start - 1])) start--;
      if (token?.behind) while (end < bytes.length && isBlank(bytes[end])) end++;
      if (start > from) yield { from, to: start };
      if (token !== undefined) yield { from: start, to: end, token };
      from = end;
    }
  }

  #addNormalized(mapped: Mapped, base: number, index: number, units: TokenUnits): void {
    for (const { from, to, token } of this.#sections(mapped.bytes, this.#behind)) {
      if (token !== undefined) {
        units.gap(base + sourceStart(mapped, from));
        units.token(base + sourceEnd(mapped, to), token.id, token.content, token.special);
        continue;
      }
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(mapped.bytes.subarray(from, to));
      const words = this.#library.pre_tokenizer?.pre_tokenize(text, { section_index: index }) ?? [text];
      let at = from;
      for (const word of words) at = this.#addWord(word, mapped, at, base, units);
    }
  }

  #addWord(word: string, mapped: Mapped, from: number, base: number, units: TokenUnits): number {
    const places = this.#places.find(word, mapped.bytes, from);
    if (places === undefined) throw unaligned(`'${word.slice(0, 40)}' is not found in it again`);
    let unit = 0;
    for (const part of this.#parts === undefined ? [word] : word.split(this.#parts)) {
      const partEnd = unit + part.length;
      for (const { units: length, bytes, id, token } of this.#pieces(part)) {
        const start = places[unit] ?? 0;
        unit += length;
        const end = bytes === undefined || length > 0 ? (places[unit] ?? 0) : start + bytes;
        if (id === undefined) continue;
        units.gap(base + sourceStart(mapped, start));
        units.token(base + sourceEnd(mapped, end), id, token, this.#tokens.get(id)?.special === true);
      }
      if (unit !== partEnd) throw unaligned(`the tokens of '${part.slice(0, 40)}' are not its text`);
    }
    return places[word.length] ?? from;
  }
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13);

/** Refuses what the library reads as if it were not there. */
function requireFaithful({ type, model, preTokenizers }: TokenizerJson): void {
  const ignored =
    type === 'BPE' && model['continuing_subword_prefix']
      ? 'a prefix of parts of words'
      : type === 'BPE' && typeof model['dropout'] === 'number' && model['dropout'] > 0
        ? 'dropout'
        : type === 'Unigram' && model['byte_fallback'] === true
          ? 'bytes for unknown characters in Unigram'
          : preTokenizers.some(({ type }) => type === 'Replace')
            ? 'replacements between words'
            : undefined;
  if (ignored === undefined) return;
  throw new ModelError(`the tokenizer has ${ignored}, which is not run here`, { code: 'UNSUPPORTED_TOKENIZER' });
}

/**
 * Where words can be divided without any token knowing: before what stands for a blank, if no token of the vocabulary has it
 * behind another character. Models that see a whole text as one word need time and memory that grow faster than it.
 */
function partsOf({ type, model, vocab }: TokenizerJson, blank: string): RegExp | undefined {
  if (type === 'WordPiece' || model['end_of_word_suffix']) return undefined;
  const char = `\\u{${(blank.codePointAt(0) ?? 0).toString(16)}}`;
  const inner = new RegExp(`[^${char}]${char}`, 'u');
  return vocab.some(([token]) => inner.test(token)) ? undefined : new RegExp(`(?<=[^${char}])(?=${char})`, 'u');
}

function unaligned(what: string): Failure {
  return new Failure(
    'UNALIGNED_TOKENS',
    `it cannot be told which bytes of the text its tokens stand for: ${what}`,
    'Take a tokenizer that keeps text as it is, such as a byte-level one.',
  );
}
