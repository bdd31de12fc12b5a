const [QUOTE, BACKSLASH, OPEN, CLOSE, LIST, LIST_END, COMMA] = Buffer.from('"\\{}[],');

export const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Finds the end of a JSON value that comes in chunks, by its quotes, braces and brackets alone: whether it is JSON in
 * between is left to whoever parses it. Holds nothing.
 */
export class JsonValue {
  #depth = 0;
  #deepest = 0;
  #inString = false;
  #escaped = false;

  /** Levels of objects and arrays, the value itself included. */
  get deepest(): number {
    return this.#deepest;
  }

  /** Starts with another value; `depth` is 1 where its bracket has been passed already. */
  begin(depth = 0): void {
    this.#depth = depth;
    this.#deepest = depth;
    this.#inString = false;
    this.#escaped = false;
  }

  /** Offset behind the value's last byte; -1 where it goes on behind the chunk. */
  end(chunk: Buffer, from: number): number {
    let at = from;
    let backslash = -1;
    while (at < chunk.length) {
      if (this.#escaped) {
        this.#escaped = false;
        at++;
      } else if (this.#inString) {
        const quote = chunk.indexOf(QUOTE ?? 0, at);
        if (backslash < at) backslash = nextOf(chunk, BACKSLASH, at);
        if (backslash < chunk.length && (quote === -1 || backslash < quote)) {
          this.#escaped = true;
          at = backslash + 1;
          continue;
        }
        if (quote === -1) return -1;
        this.#inString = false;
        at = quote + 1;
        if (this.#depth === 0) return at;
      } else {
        const byte = chunk[at] ?? 0;
        if (byte === QUOTE) this.#inString = true;
        else if (byte === OPEN || byte === LIST) {
          this.#depth++;
          if (this.#depth > this.#deepest) this.#deepest = this.#depth;
        } else if (byte === CLOSE || byte === LIST_END) {
          // Behind a number, `true` or the like: what closes belongs to what is around it.
          if (this.#depth === 0) return at;
          this.#depth--;
          if (this.#depth === 0) return at + 1;
        } else if (this.#depth === 0 && (byte === COMMA || isSpace(byte))) return at;
        at++;
      }
    }
    return -1;
  }
}

function nextOf(chunk: Buffer, byte: number | undefined, from: number): number {
  const index = chunk.indexOf(byte ?? 0, from);
  return index === -1 ? chunk.length : index;
}
