import { ModelError } from '../errors.ts';
import { type BpeOptions, BpeTokenizer } from './bpeTokenizer.ts';
import { spelled, unspelled } from './byteAlphabet.ts';
import type { Merge } from './mergeTable.ts';
import { type Pattern, patternOf, SOURCES } from './patterns.ts';
import { parseTokenizerJson, type Step, type TokenizerJson } from './tokenizerJson.ts';

/**
 * A tokenizer as the text of a `tokenizer.json`, the format of Hugging Face tokenizers: they load it and make the same ids
 * of the same text.
 */
export function saveTokenizer({ parts }: BpeTokenizer): string {
  const { tokens, merges, pattern, added, wholeWords } = parts;
  const contents = new Map(added.map(({ id, content }) => [id, content]));
  const texts = tokens.map((token, id) => contents.get(id) ?? (token === undefined ? undefined : spelled(token)));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  const divided = (regular: Exclude<Pattern, 'none'>) => ({
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: SOURCES[regular] }, behavior: 'Isolated', invert: false },
      byteLevel,
    ],
  });
  const value = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    normalizer: null,
    pre_tokenizer: pattern === 'none' ? byteLevel : divided(pattern),
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholeWords,
      vocab: Object.fromEntries(texts.flatMap((text, id) => (text === undefined ? [] : [[text, id]]))),
      merges: merges.map(({ left, right }) => `${texts[left]} ${texts[right]}`),
    },
  };
  return `${JSON.stringify(value, null, 1)}\n`;
}

const unsupported = (message: string): ModelError =>
  new ModelError(`not a byte-level BPE tokenizer of the kinds that are run here: ${message}`, {
    code: 'UNSUPPORTED_TOKENIZER',
    hint: 'pretokenize({ text: { units: { tokenizer } } }) takes all kinds.',
  });

const bad = (message: string): ModelError =>
  new ModelError(`the tokenizer contradicts itself: ${message}`, { code: 'BAD_TOKENIZER' });

/**
 * Loads a byte-level BPE tokenizer from the text of a `tokenizer.json`: GPT-2, Llama 3, and all that divide text as these
 * do, whoever saved them, and what {@link saveTokenizer} made.
 *
 * @throws ModelError `BAD_TOKENIZER` where it is damaged, too large or no such file; `UNSUPPORTED_TOKENIZER` where it is of
 *   another kind: WordPiece, Unigram, with normalizers, or with another division of text
 */
export function loadTokenizer(json: Uint8Array | string, options: BpeOptions = {}): BpeTokenizer {
  return byteLevelBpe(parseTokenizerJson(json), options);
}

/** @throws ModelError as {@link loadTokenizer} */
export function byteLevelBpe(file: TokenizerJson, options: BpeOptions = {}): BpeTokenizer {
  const { type, model, added, normalizers, preTokenizers } = file;
  if (type !== 'BPE') throw unsupported(`its model is ${type}`);
  if (normalizers.length > 0) throw unsupported('it normalizes text');
  const affix = model['continuing_subword_prefix'] || model['end_of_word_suffix'];
  if (affix) throw unsupported(`it marks parts of words with '${String(affix)}'`);
  if (model['byte_fallback'] === true) throw unsupported('its tokens are characters');
  if (typeof model['dropout'] === 'number' && model['dropout'] > 0) throw unsupported('it leaves merges out by chance');
  const moving = added.find(({ before, behind, singleWord }) => before || behind || singleWord);
  if (moving !== undefined) throw unsupported(`'${moving.content}' is more than its text`);
  const pattern = patternOfSteps(preTokenizers);
  const tokens = tokensOf(file);
  return new BpeTokenizer(
    {
      tokens,
      merges: mergesOf(model['merges'], file),
      pattern,
      added: added.map(({ id, content, special }) => ({ id, content, special })),
      wholeWords: model['ignore_merges'] === true,
    },
    options,
  );
}

function patternOfSteps(steps: readonly Step[]): Pattern {
  const last = steps.at(-1);
  if (last?.type !== 'ByteLevel') throw unsupported('its tokens are not bytes');
  if (last['add_prefix_space'] === true) throw unsupported('it puts a blank before text');
  const divides = last['use_regex'] !== false;
  if (steps.length === 1) return divides ? 'gpt2' : 'none';
  const [split] = steps;
  if (steps.length !== 2 || divides || split?.type !== 'Split') throw unsupported('it divides text in several steps');
  const { pattern, behavior, invert } = split;
  const source =
    typeof pattern === 'object' && pattern !== null && 'Regex' in pattern && typeof pattern.Regex === 'string'
      ? pattern.Regex
      : undefined;
  const known = source === undefined ? undefined : patternOf(source);
  // what lies between words is what the expression finds or nothing: it finds all text
  const isolates = behavior === 'Isolated' || (behavior === 'Removed' && invert === true);
  if (known === undefined || !isolates) throw unsupported('it divides text by another expression');
  return known;
}

function tokensOf({ vocab, added }: TokenizerJson): (Uint8Array | undefined)[] {
  const tokens: (Uint8Array | undefined)[] = [];
  const encoder = new TextEncoder();
  const place = (id: number, token: Uint8Array): void => {
    while (tokens.length <= id) tokens.push(undefined);
    tokens[id] = token;
  };
  for (const { id, content } of added) place(id, encoder.encode(content));
  const addedIds = new Set(added.map(({ id }) => id));
  let bytes = 0;
  for (const [text, id] of vocab) {
    if (addedIds.has(id)) continue;
    const token = unspelled(text);
    if (token === undefined || token.length === 0) throw unsupported(`token ${id} is not made of bytes`);
    if (tokens[id] !== undefined) throw bad(`two tokens have the id ${id}`);
    if (token.length === 1) bytes++;
    place(id, token);
  }
  if (bytes !== 256) throw unsupported(`${bytes} of the 256 bytes are tokens`);
  return tokens;
}

function mergesOf(value: unknown, { vocab }: TokenizerJson): Merge[] {
  if (!Array.isArray(value)) throw bad('it has no list of merges');
  const ids = new Map(vocab);
  return value.map((merge: unknown, rank) => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2) throw bad(`merge ${rank} is no pair`);
    const [left, right] = pair as unknown[];
    const [a, b, id] = [ids.get(`${left}`), ids.get(`${right}`), ids.get(`${left}${right}`)];
    if (a === undefined || b === undefined || id === undefined)
      throw bad(`merge ${rank} is of tokens that are not there`);
    return { left: a, right: b, id };
  });
}
