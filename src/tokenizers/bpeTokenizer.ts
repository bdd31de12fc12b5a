import { ModelError, PipelineError } from '../errors.ts';
import { requireOptions } from '../knownOptions.ts';
import { type AddedToken, AddedTokenFinder } from './addedTokens.ts';
import { ByteTable } from './byteTable.ts';
import { type Merge, MergeTable } from './mergeTable.ts';
import { LONGEST_WORD, mergeWord } from './mergeWord.ts';
import type { Pattern } from './patterns.ts';
import { requireBytes } from './requireBytes.ts';
import { WordCache } from './wordCache.ts';
import { wordEndOf } from './words.ts';

/** What a byte-level BPE tokenizer is made of. */
export interface BpeParts {
  /** The bytes of every token by its id; undefined for ids that no token has. Each of the 256 bytes is a token. */
  readonly tokens: readonly (Uint8Array | undefined)[];
  /** In the order of their ranks. */
  readonly merges: readonly Merge[];
  readonly pattern: Pattern;
  /** Tokens outside of the merges; their ids are in `tokens` too. */
  readonly added: readonly AddedToken[];
  /** Words that are a token as a whole are that token, whatever the merges would make of them (Llama 3). */
  readonly wholeWords: boolean;
}

export interface BpeOptions {
  /** Memory for words that come up again, in bytes. Default: 8 MiB. */
  readonly cacheBytes?: number | undefined;
}

export interface EncodeOptions {
  /**
   * `find` makes an added token of each place where its text stands, as Hugging Face tokenizers do; `ignore` takes all of
   * it for text, which is what text from strangers needs where a model obeys such tokens. Default: `find`.
   */
  readonly added?: 'find' | 'ignore' | undefined;
}

/**
 * A byte-level BPE tokenizer (Sennrich et al. 2016, over bytes as in GPT-2): any bytes become tokens and, decoded, the same
 * bytes again. UTF-8 is divided into words by a pattern, and merges apply within words; a byte that is no UTF-8 counts as a
 * character of no class.
 *
 *     const tokenizer = loadTokenizer(readFileSync('tokenizer.json'));
 *     const ids = tokenizer.encode(new TextEncoder().encode('any bytes'));
 */
export class BpeTokenizer {
  readonly parts: BpeParts;
  /** Ids that there are: the highest and 1. */
  readonly size: number;
  readonly #table: MergeTable;
  readonly #finder: AddedTokenFinder;
  readonly #cache: WordCache;
  readonly #byteIds = new Int32Array(256);
  readonly #lengths: Uint32Array;
  readonly #whole: { readonly table: ByteTable; readonly ids: readonly number[] } | undefined;
  readonly #symbols = new Int32Array(4096);

  /** @throws PipelineError `UNKNOWN_OPTION`, `BAD_OPTION` */
  constructor(parts: BpeParts, options: BpeOptions = {}) {
    requireOptions('BpeTokenizer', options, { cacheBytes: true });
    const { cacheBytes = 8 << 20 } = options;
    if (!(cacheBytes >= 0 && cacheBytes <= 1 << 30)) {
      throw new PipelineError(`cacheBytes is ${cacheBytes}; it must be a number of 0 to ${1 << 30}`, {
        code: 'BAD_OPTION',
      });
    }
    this.parts = parts;
    this.size = parts.tokens.length;
    this.#table = new MergeTable(parts.merges);
    this.#finder = new AddedTokenFinder(parts.added);
    this.#cache = new WordCache(cacheBytes);
    this.#lengths = Uint32Array.from(parts.tokens, (token) => token?.length ?? 0);
    const added = new Set(parts.added.map(({ id }) => id));
    const ids: number[] = [];
    const table = new ByteTable();
    for (const [id, token] of parts.tokens.entries()) {
      if (token === undefined || added.has(id)) continue;
      if (token.length === 1) this.#byteIds[token[0] ?? 0] = id;
      if (parts.wholeWords) ids[table.add(token, 0, token.length)] = id;
    }
    this.#whole = parts.wholeWords ? { table, ids } : undefined;
  }

  /**
   * Token ids of bytes, u32[tokens]; {@link ends} tells which bytes each of them is.
   *
   * @throws ModelError `WORD_TOO_LONG` where the pattern finds a word of more than 16 MiB; PipelineError `UNKNOWN_OPTION`,
   *   `BAD_OPTION`
   */
  encode(bytes: Uint8Array, options: EncodeOptions = {}): Uint32Array {
    requireBytes('encode', bytes);
    requireOptions('encode', options, { added: true });
    const { added = 'find' } = options;
    if (added !== 'find' && added !== 'ignore') {
      throw new PipelineError(`added is '${added}', and there are find, ignore`, { code: 'BAD_OPTION' });
    }
    let out = new Uint32Array(Math.max(64, bytes.length >> 1));
    let count = 0;
    const room = (more: number): void => {
      if (count + more <= out.length) return;
      const larger = new Uint32Array(Math.max(count + more, 2 * out.length));
      larger.set(out.subarray(0, count));
      out = larger;
    };
    const wordEnd = wordEndOf(this.parts.pattern);
    const encodeText = (from: number, to: number): void => {
      for (let at = from; at < to; ) {
        const end = wordEnd(bytes, at, to);
        room(end - at);
        count += this.#encodeWord(bytes, at, end, out, count);
        at = end;
      }
    };
    let at = 0;
    while (at < bytes.length) {
      const found = added === 'find' ? this.#finder.next(bytes, at) : undefined;
      encodeText(at, found?.start ?? bytes.length);
      if (found === undefined) break;
      room(1);
      out[count++] = found.id;
      at = found.end;
    }
    return out.slice(0, count);
  }

  #encodeWord(bytes: Uint8Array, from: number, to: number, out: Uint32Array, at: number): number {
    const known = this.#cache.take(bytes, from, to, out, at);
    if (known !== 0) return known;
    const length = to - from;
    if (length > LONGEST_WORD) {
      throw new ModelError(`a word has ${length} bytes, and ${LONGEST_WORD} are the most that are merged at once`, {
        code: 'WORD_TOO_LONG',
        hint: 'Take a pattern that divides text, or divide it beforehand.',
      });
    }
    const symbols = length > this.#symbols.length ? new Int32Array(length) : this.#symbols;
    let left = 1;
    const whole = this.#whole?.table.find(bytes, from, to) ?? -1;
    if (whole !== -1) symbols[0] = this.#whole?.ids[whole] ?? 0;
    else {
      for (let byte = 0; byte < length; byte++) symbols[byte] = this.#byteIds[bytes[from + byte] ?? 0] ?? 0;
      left = mergeWord(symbols, length, this.#table);
    }
    for (let symbol = 0; symbol < left; symbol++) out[at + symbol] = symbols[symbol] ?? 0;
    this.#cache.put(bytes, from, to, symbols, left);
    return left;
  }

  /** Where the bytes of each token end, f64[tokens]: tokens lie one behind the other without gap. @throws as {@link decode} */
  ends(ids: ArrayLike<number>): Float64Array {
    const ends = new Float64Array(ids.length);
    const lengths = this.#lengths;
    let end = 0;
    for (let at = 0; at < ids.length; at++) {
      // no token is empty
      const length = lengths[ids[at] ?? -1];
      if (!length) throw new ModelError(`${ids[at]} is the id of no token`, { code: 'TOKEN_RANGE' });
      end += length;
      ends[at] = end;
    }
    return ends;
  }

  /** The bytes that tokens stand for. @throws ModelError `TOKEN_RANGE` for an id that is no token's */
  decode(ids: ArrayLike<number>): Uint8Array {
    const ends = this.ends(ids);
    const bytes = new Uint8Array(ends.at(-1) ?? 0);
    let at = 0;
    for (let index = 0; index < ids.length; index++) {
      const token = this.parts.tokens[ids[index] ?? 0];
      if (token !== undefined) bytes.set(token, at);
      at = ends[index] ?? at;
    }
    return bytes;
  }
}
