/** Default largest document cut from a file, an archive member or a stream: 16 MiB. */
export const MAX_DOCUMENT_BYTES = 16 << 20;

const LINE_END = 0x0a;

/** Bytes before a cut in which a line end is looked for. */
function windowOf(maxBytes: number): number {
  return Math.max(1, Math.min(64 << 10, maxBytes >> 2));
}

/**
 * Where to cut inside a window of bytes, 1 to its length: behind the last line end, else before the UTF-8 character
 * that the window's end would cut, else at the end. `unit` (2 or 4) keeps UTF-16 and UTF-32 code units whole: the cut
 * is then a multiple of it, counted from the start of the window.
 */
export function cutPoint(window: Uint8Array, unit: 1 | 2 | 4 = 1): number {
  const end = window.length;
  if (unit !== 1) return Math.max(unit, end - (end % unit));
  const line = window.lastIndexOf(LINE_END);
  if (line !== -1) return line + 1;
  let lead = end - 1;
  while (lead > 0 && end - lead < 4 && ((window[lead] ?? 0) & 0xc0) === 0x80) lead--;
  const byte = window[lead] ?? 0;
  const width = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  return lead > 0 && width > end - lead ? lead : end;
}

/**
 * How a stream of bytes too large for one document is cut into parts of at most `maxBytes`.
 *
 * Cut k lies in the window that begins at `k * stride`, so it depends on nothing but the bytes of that window: any
 * part can be found without reading those before it, and reading in one go gives the same parts.
 */
export interface PartPlan {
  readonly stride: number;
  readonly window: number;
}

export function partPlan(maxBytes: number): PartPlan {
  const window = windowOf(maxBytes);
  return { stride: maxBytes - window, window };
}

/** Parts of a stream of `size` bytes: one where it fits. */
export function partCount(size: number, { stride, window }: PartPlan): number {
  return Math.max(1, Math.ceil((size - window) / stride));
}

export interface Part {
  readonly bytes: Uint8Array;
  /** Offset of the first byte in the stream. */
  readonly start: number;
  /** Number of the part; absent where the stream is one. */
  readonly part?: number;
}

/** Cuts a stream whose size is not known before its end. Holds at most one part and one chunk. */
export class PartCutter {
  readonly #plan: PartPlan;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #start = 0;
  #cuts = 0;

  constructor(maxBytes: number) {
    this.#plan = partPlan(maxBytes);
  }

  *push(chunk: Uint8Array): Generator<Part> {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    const { stride, window } = this.#plan;
    for (;;) {
      const windowStart = (this.#cuts + 1) * stride - this.#start;
      if (this.#heldBytes <= windowStart + window) return;
      const all = this.#join();
      const cut = windowStart + cutPoint(all.subarray(windowStart, windowStart + window));
      yield { bytes: copy(all.subarray(0, cut)), start: this.#start, part: this.#cuts };
      this.#cuts++;
      this.#start += cut;
      this.#held = [all.subarray(cut)];
      this.#heldBytes = all.length - cut;
    }
  }

  /** The last part; the whole where nothing was cut. */
  flush(): Part {
    const held = this.#join();
    // A small view must not keep the chunk that it came in alive.
    const bytes = held.length === held.buffer.byteLength ? held : copy(held);
    return this.#cuts === 0 ? { bytes, start: 0 } : { bytes, start: this.#start, part: this.#cuts };
  }

  #join(): Uint8Array {
    const [only] = this.#held;
    const all = this.#held.length === 1 && only !== undefined ? only : concat(this.#held, this.#heldBytes);
    this.#held = [all];
    return all;
  }
}

/** A buffer of its own; `slice` of a Buffer is a view. */
export const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

export function concat(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}
