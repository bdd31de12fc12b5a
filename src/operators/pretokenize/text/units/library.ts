import * as untyped from '@huggingface/tokenizers';

/** What of the tokenizer library is used; its own declarations name files without their extensions, which do not resolve. */
interface Library {
  readonly Tokenizer: new (tokenizer: object, config: object) => LibraryTokenizer;
  readonly SequenceNormalizer: new (config: object) => { normalize(text: string): string };
  readonly ReplaceNormalizer: new (config: object) => { readonly pattern: RegExp | null };
}

export interface LibraryTokenizer {
  readonly pre_tokenizer: { pre_tokenize(text: string, options: { readonly section_index: number }): string[] } | null;
  readonly model: LibraryModel;
}

export interface LibraryModel {
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  readonly unk_token_id?: number | undefined;
  readonly unk_token?: string | null | undefined;
  readonly fuse_unk: boolean;
  readonly config: { readonly continuing_subword_prefix?: string | null };
  /** Tokens of words, unknown ones as they are. */
  encode(words: readonly string[]): string[];
  /** The same, with neighbouring unknown ones joined where the model does that. */
  _call(words: readonly string[]): string[];
  /** BPE alone, as the following: parts of a word. */
  bpe(word: string): string[];
  readonly byte_fallback: boolean;
  readonly ignore_merges: boolean;
  readonly end_of_word_suffix?: string | null | undefined;
}

// as declared above, for version 0.2.0, which package.json pins
export const library = untyped as unknown as Library;
