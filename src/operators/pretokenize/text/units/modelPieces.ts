import type { TokenizerJson } from '../../../../tokenizers/tokenizerJson.ts';
import type { LibraryModel } from './library.ts';

/** One token of a word. */
export interface Piece {
  /** UTF-16 units of the word that it stands for. */
  readonly units: number;
  /** Or bytes of the character at hand, where it stands for some of these. */
  readonly bytes?: number | undefined;
  /** Undefined where it is no token. */
  readonly id: number | undefined;
  readonly token: string;
}

/** Words whose pieces are kept. */
const KNOWN = 20_000;

/** What a model makes of one word, with the length of each piece. */
export function piecesOf(type: TokenizerJson['type'], model: LibraryModel): (word: string) => readonly Piece[] {
  const pieces = PIECES[type];
  const known = new Map<string, readonly Piece[]>();
  return (word) => {
    const before = known.get(word);
    if (before !== undefined) return before;
    const found = pieces(model, word);
    if (word.length <= 64) {
      if (known.size >= KNOWN) known.clear();
      known.set(word, found);
    }
    return found;
  };
}

function ofWordPiece(model: LibraryModel, word: string): Piece[] {
  const tokens = model.encode([word]);
  if (tokens.length === 1 && tokens[0] === model.unk_token) {
    return [{ units: word.length, id: model.unk_token_id, token: model.unk_token ?? '' }];
  }
  const prefix = String(model.config.continuing_subword_prefix ?? '').length;
  return tokens.map((token, index) => ({
    units: token.length - (index === 0 ? 0 : prefix),
    id: model.tokens_to_ids.get(token),
    token,
  }));
}

function ofUnigram(model: LibraryModel, word: string): Piece[] {
  return model._call([word]).map((token) => {
    const id = model.tokens_to_ids.get(token);
    return {
      units: token.length,
      id: id ?? model.unk_token_id,
      token: id === undefined ? (model.unk_token ?? token) : token,
    };
  });
}

function ofBpe(model: LibraryModel, word: string): Piece[] {
  const whole = model.ignore_merges && model.tokens_to_ids.has(word);
  const parts = whole ? [word] : model.bpe(word);
  const suffix = whole ? 0 : (model.end_of_word_suffix?.length ?? 0);
  const pieces: Piece[] = [];
  for (const [index, token] of parts.entries()) {
    const units = token.length - (index === parts.length - 1 ? suffix : 0);
    const id = model.tokens_to_ids.get(token);
    if (id !== undefined) {
      pieces.push({ units, id, token });
      continue;
    }
    const bytes = model.byte_fallback ? Array.from(new TextEncoder().encode(token), byteToken) : [];
    const last = pieces.at(-1);
    if (bytes.length > 0 && bytes.every((byte) => model.tokens_to_ids.has(byte))) {
      for (const [at, byte] of bytes.entries()) {
        const end = at === bytes.length - 1;
        pieces.push({ units: end ? units : 0, bytes: at + 1, id: model.tokens_to_ids.get(byte), token: byte });
      }
    } else if (model.fuse_unk && last !== undefined && last.id === model.unk_token_id) {
      pieces[pieces.length - 1] = { ...last, units: last.units + units };
    } else {
      pieces.push({
        units,
        id: model.unk_token == null ? undefined : model.unk_token_id,
        token: model.unk_token ?? '',
      });
    }
  }
  return pieces;
}

const byteToken = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

const PIECES: Readonly<Record<TokenizerJson['type'], (model: LibraryModel, word: string) => readonly Piece[]>> = {
  WordPiece: ofWordPiece,
  Unigram: ofUnigram,
  BPE: ofBpe,
};
