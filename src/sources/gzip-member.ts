import { crc32, createInflateRaw } from 'node:zlib';
import { Decoder, type Decoding } from './decoder.ts';
import { Failure } from './failure.ts';

/** Flags of a header: what stands behind its ten fixed bytes. */
const HEADER_CRC = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;

const FIXED = 10;
/** A header with a name and a comment longer than this is none. */
const MOST_HEADER = 128 << 10;
const TRAILER = 8;

function damaged(what: string): Failure {
  return new Failure(
    'CORRUPT_COMPRESSION',
    `the gzip stream is damaged: ${what}`,
    'Copy the file again; what lies before the damage was read.',
  );
}

/** Length of the header that bytes begin with; undefined where more bytes are needed to tell. */
function headerLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < FIXED) return undefined;
  if (bytes[2] !== 8) throw damaged(`unknown compression method ${bytes[2]}`);
  const flags = bytes[3] ?? 0;
  let end = FIXED;
  if ((flags & EXTRA) !== 0) {
    if (bytes.length < end + 2) return undefined;
    end += 2 + (bytes[end] ?? 0) + (bytes[end + 1] ?? 0) * 256;
  }
  for (const flag of [NAME, COMMENT]) {
    if ((flags & flag) === 0) continue;
    const zero = bytes.indexOf(0, end);
    if (zero === -1) return undefined;
    end = zero + 1;
  }
  if ((flags & HEADER_CRC) !== 0) end += 2;
  return end <= bytes.length ? end : undefined;
}

/**
 * One member of a gzip stream: Node's own decoder reads over the ends of members without a word, and they are the places
 * from which a stream can be read anew.
 *
 * What follows the last member and does not begin like one is passed over, as Node and gzip itself do.
 *
 * Format: RFC 1952.
 */
export class GzipMember implements Decoding {
  /** Header bytes, then those of the trailer. */
  #gathered: Uint8Array = new Uint8Array(0);
  #state: 'header' | 'content' | 'trailer' | 'padding' = 'header';
  readonly #first: boolean;
  readonly #content: Decoder;
  #crc = 0;
  #bytes = 0;
  ended = false;
  consumed = 0;

  /** @param first Whether it is the first member: there, what is no member is damage. */
  constructor(first: boolean, chunkSize: number) {
    this.#first = first;
    this.#content = new Decoder(createInflateRaw({ chunkSize }));
  }

  async *write(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
    let at = 0;
    if (this.#state === 'header') at = this.#header(chunk);
    if (this.#state === 'content' && at < chunk.length) {
      for await (const output of this.#content.write(chunk.subarray(at))) {
        this.#crc = crc32(output, this.#crc);
        this.#bytes += output.length;
        yield output;
      }
      at += this.#content.consumed;
      if (this.#content.ended) this.#state = 'trailer';
    }
    if (this.#state === 'trailer') at += this.#trailer(chunk.subarray(at));
    this.consumed = this.#state === 'padding' ? chunk.length : at;
  }

  async *end(): AsyncGenerator<Uint8Array> {
    if (this.#state === 'content') yield* this.#content.end();
    if (this.ended || this.#state === 'padding') return;
    throw new Failure(
      'TRUNCATED',
      'the gzip stream ends too early',
      'Copy the file again; what lies before the cut was read.',
    );
  }

  destroy(): void {
    this.#content.destroy();
  }

  /** Takes the header; returns how many bytes of the chunk belong to it. */
  #header(chunk: Uint8Array): number {
    const before = this.#gathered.length;
    const bytes = before === 0 ? chunk : Buffer.concat([this.#gathered, chunk]);
    if (bytes[0] !== 0x1f || (bytes.length > 1 && bytes[1] !== 0x8b)) {
      if (this.#first) throw damaged('it does not begin like one');
      this.#state = 'padding';
      return 0;
    }
    const length = headerLength(bytes);
    if (length === undefined) {
      if (bytes.length > MOST_HEADER) throw damaged('its header does not end');
      this.#gathered = Uint8Array.from(bytes);
      return chunk.length;
    }
    this.#gathered = new Uint8Array(0);
    this.#state = 'content';
    return length - before;
  }

  #trailer(chunk: Uint8Array): number {
    const taken = chunk.subarray(0, TRAILER - this.#gathered.length);
    this.#gathered = Buffer.concat([this.#gathered, taken]);
    if (this.#gathered.length < TRAILER) return taken.length;
    const view = new DataView(this.#gathered.buffer, this.#gathered.byteOffset, TRAILER);
    if (view.getUint32(0, true) !== this.#crc) throw damaged('the checksum of its content is another');
    if (view.getUint32(4, true) !== this.#bytes % 2 ** 32) throw damaged('its content has another length');
    this.ended = true;
    return taken.length;
  }
}
