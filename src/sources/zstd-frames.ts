const FRAME = 0xfd2fb528;
/** The low four bits of a skippable frame's magic are free. */
const SKIPPABLE = 0x184d2a50;

type Part = 'magic' | 'skippable' | 'descriptor' | 'block' | 'checksum' | 'unknown';

/**
 * Follows the frames of a Zstandard stream by their headers alone, to tell whether its end is the end of a frame: the
 * decoder of Node 22 takes a stream that breaks off for a whole one.
 *
 * Format: RFC 8878, section 3.1.
 */
export class ZstdFrames {
  #part: Part = 'magic';
  /** Bytes of the part at hand, gathered until there are `#wanted`. */
  #bytes: number[] = [];
  #wanted = 4;
  /** Bytes of content to pass over. */
  #skip = 0;
  #checksum = false;

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.#part !== 'unknown') {
      const skipped = Math.min(this.#skip, chunk.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (this.#skip > 0) return;
      while (at < chunk.length && this.#bytes.length < this.#wanted) this.#bytes.push(chunk[at++] ?? 0);
      if (this.#bytes.length === this.#wanted) this.#next(this.#take());
    }
  }

  /** Whether the stream may end here. True also for what is no Zstandard stream: the decoder says so. */
  get whole(): boolean {
    const between = this.#part === 'magic' && this.#bytes.length === 0 && this.#skip === 0;
    return between || this.#part === 'unknown';
  }

  /** The part's bytes as a number, little end first. */
  #take(): number {
    const value = this.#bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
    this.#bytes = [];
    return value;
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part;
    this.#wanted = bytes;
  }

  #next(value: number): void {
    switch (this.#part) {
      case 'magic':
        if (value === FRAME) this.#expect('descriptor', 1);
        else if (value - (value % 16) === SKIPPABLE) this.#expect('skippable', 4);
        else this.#part = 'unknown';
        return;
      case 'skippable':
        this.#skip = value;
        this.#expect('magic', 4);
        return;
      case 'descriptor': {
        const single = (value & 0x20) !== 0;
        this.#checksum = (value & 0x04) !== 0;
        const dictionary = [0, 1, 2, 4][value & 3] ?? 0;
        const contentSize = [single ? 1 : 0, 2, 4, 8][value >> 6] ?? 0;
        // What the header says does not matter here, only where it ends.
        this.#skip = (single ? 0 : 1) + dictionary + contentSize;
        this.#expect('block', 3);
        return;
      }
      case 'block':
        // A run-length block holds one byte, however long it gets.
        this.#skip = ((value >> 1) & 3) === 1 ? 1 : value >> 3;
        if ((value & 1) === 0) return;
        if (this.#checksum) this.#expect('checksum', 4);
        else this.#expect('magic', 4);
        return;
      default:
        this.#expect('magic', 4);
    }
  }
}
