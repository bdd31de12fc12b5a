/** A token outside of the merges, found in text as it is: `<|endoftext|>`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A mark of structure, which stands for no text. */
  readonly special: boolean;
}

/** Where added tokens stand in text: the leftmost, of several the longest. */
export class AddedTokenFinder {
  /** Tokens by their first byte, the longest first. */
  readonly #byFirst: ({ readonly bytes: Uint8Array; readonly id: number }[] | undefined)[] = [];
  readonly #any: boolean;

  constructor(tokens: readonly AddedToken[]) {
    this.#any = tokens.length > 0;
    for (const { content, id } of tokens) {
      const bytes = new TextEncoder().encode(content);
      const [first] = bytes;
      // what a normalizer leaves nothing of is never found
      if (first === undefined) continue;
      const alike = this.#byFirst[first] ?? [];
      alike.push({ bytes, id });
      this.#byFirst[first] = alike;
    }
    for (const alike of this.#byFirst) alike?.sort((a, b) => b.bytes.length - a.bytes.length);
  }

  /** The first added token from `from` on: where it begins and ends. Undefined where there is none. */
  next(bytes: Uint8Array, from: number): { start: number; end: number; id: number } | undefined {
    if (!this.#any) return undefined;
    for (let start = from; start < bytes.length; start++) {
      const candidates = this.#byFirst[bytes[start] ?? 0];
      if (candidates === undefined) continue;
      for (const { bytes: token, id } of candidates) {
        let at = 0;
        while (at < token.length && bytes[start + at] === token[at]) at++;
        if (at === token.length) return { start, end: start + at, id };
      }
    }
    return undefined;
  }
}
