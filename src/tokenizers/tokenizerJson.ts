import { ModelError } from '../errors.ts';

/** Bytes of a tokenizer.json at most; the largest in common use have some 35 MiB. */
export const MAX_TOKENIZER_BYTES = 64 << 20;
/** Ids lie below this. */
const MAX_IDS = 1 << 22;
/** Characters of a token at most. */
const MAX_TOKEN = 1 << 16;
/** Steps within steps at most. */
const MAX_DEPTH = 8;

/** A step of a tokenizer (normalizer, pre-tokenizer): its type and its own settings. */
export interface Step {
  readonly type: string;
  readonly [setting: string]: unknown;
}

/** A token outside of the model's vocabulary, or of it, that is looked for in text before anything else. */
export interface FileToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** White space before and behind it is part of it. */
  readonly before: boolean;
  readonly behind: boolean;
  /** Found between words only. */
  readonly singleWord: boolean;
  /** Looked for in text that has been normalized. */
  readonly normalized: boolean;
}

/** What a tokenizer.json says, checked as far as nobody can be led astray by it. */
export interface TokenizerJson {
  readonly value: Readonly<Record<string, unknown>>;
  readonly type: 'BPE' | 'WordPiece' | 'Unigram';
  readonly model: Readonly<Record<string, unknown>>;
  /** Text and id of each token, those that were added aside. */
  readonly vocab: readonly (readonly [token: string, id: number])[];
  readonly added: readonly FileToken[];
  /** Steps in their order, with those of sequences in their place. */
  readonly normalizers: readonly Step[];
  readonly preTokenizers: readonly Step[];
}

const bad = (message: string, cause?: unknown): ModelError =>
  new ModelError(`this is no tokenizer.json: ${message}`, {
    code: 'BAD_TOKENIZER',
    hint: 'It is the file that tokenizers of Hugging Face are saved in; other formats must be converted to it.',
    cause,
  });

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isId = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < MAX_IDS;

/** @throws ModelError `BAD_TOKENIZER` */
export function parseTokenizerJson(json: Uint8Array | string): TokenizerJson {
  if (json.length > MAX_TOKENIZER_BYTES)
    throw bad(`it has ${json.length} bytes, and ${MAX_TOKENIZER_BYTES} are allowed`);
  let value: unknown;
  try {
    value = JSON.parse(typeof json === 'string' ? json : new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw bad(error instanceof Error ? error.message : 'it is no JSON', error);
  }
  if (!isObject(value)) throw bad('it is no object');
  const { model } = value;
  if (!isObject(model)) throw bad('it has no model');
  const type = typeOf(model);
  const added = addedTokens(value['added_tokens']);
  return {
    value,
    type,
    model,
    vocab: vocabOf(model['vocab'], type),
    added,
    normalizers: steps(value['normalizer'], 'normalizers'),
    preTokenizers: steps(value['pre_tokenizer'], 'pretokenizers'),
  };
}

function typeOf(model: Readonly<Record<string, unknown>>): TokenizerJson['type'] {
  const { type, vocab, merges } = model;
  if (type === 'BPE' || type === 'WordPiece' || type === 'Unigram') return type;
  // files of early versions do not name it
  if (type === undefined && isObject(vocab)) return Array.isArray(merges) ? 'BPE' : 'WordPiece';
  throw bad(`its model is of type '${String(type)}', and there are BPE, WordPiece, Unigram`);
}

function vocabOf(vocab: unknown, type: TokenizerJson['type']): TokenizerJson['vocab'] {
  const entries: (readonly [string, number])[] = [];
  if (type === 'Unigram') {
    if (!Array.isArray(vocab)) throw bad('its vocabulary is no list');
    for (const [id, entry] of vocab.entries()) {
      if (!Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number') {
        throw bad(`token ${id} is not a text with a score`);
      }
      entries.push([entry[0], id]);
    }
  } else {
    if (!isObject(vocab)) throw bad('its vocabulary is no object');
    for (const [token, id] of Object.entries(vocab)) {
      if (!isId(id)) throw bad(`a token has the id ${JSON.stringify(id)}`);
      entries.push([token, id]);
    }
  }
  if (entries.length === 0 || entries.length > MAX_IDS) throw bad(`its vocabulary has ${entries.length} tokens`);
  for (const [token, id] of entries) {
    if (token.length > MAX_TOKEN) throw bad(`token ${id} has ${token.length} characters`);
  }
  return entries;
}

function addedTokens(value: unknown): FileToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad('added_tokens is no list');
  return value.map((token: unknown) => {
    if (!isObject(token)) throw bad('an added token is no object');
    const { id, content, special } = token;
    if (!isId(id) || typeof content !== 'string' || content === '' || content.length > MAX_TOKEN) {
      throw bad('an added token has no id or no text');
    }
    return {
      id,
      content,
      special: special === true,
      before: token['lstrip'] === true,
      behind: token['rstrip'] === true,
      singleWord: token['single_word'] === true,
      normalized: typeof token['normalized'] === 'boolean' ? token['normalized'] : special !== true,
    };
  });
}

/** The steps of a pipeline, sequences taken apart. */
function steps(value: unknown, members: 'normalizers' | 'pretokenizers', depth = 0): Step[] {
  if (value === undefined || value === null) return [];
  if (!isObject(value) || typeof value['type'] !== 'string') throw bad(`a step of its ${members} has no type`);
  if (depth > MAX_DEPTH) throw bad(`its ${members} lie too deep in one another`);
  const inner = value[members];
  if (value['type'] !== 'Sequence') return [{ ...value, type: value['type'] }];
  if (!Array.isArray(inner) || inner.length > 64) throw bad(`a sequence of its ${members} is no list of them`);
  return inner.flatMap((step) => steps(step, members, depth + 1));
}
