import { behindMark } from './byte-order-mark.ts';
import { compressionOf, decompress } from './compression.ts';
import { Cuts } from './cuts.ts';
import { Failure } from './failure.ts';
import type { Piece } from './file-source.ts';
import { gradual } from './gradual.ts';
import { type Inside, type JsonElement, JsonElements } from './json-elements.ts';
import { isSpace, JsonValue } from './json-value.ts';
import type { JsonlConfig } from './jsonl.ts';
import type { OpenFile } from './open-file.ts';

export interface JsonConfig extends JsonlConfig {
  /** Names of the members that lead to the rows. */
  readonly at: readonly string[] | undefined;
}

const [OPEN, LF] = Buffer.from('{\n');
/** Bytes of a file's beginning that are looked at to tell what it is. */
const HEAD_BYTES = 1 << 20;

function content(file: OpenFile, config: JsonConfig, start: number, end: number): AsyncIterable<Uint8Array> {
  const compression = compressionOf(file.uri);
  const raw = file.stream(start, end);
  return compression === undefined ? raw : decompress(raw, compression, config.maxExpansion);
}

/** The elements of a file's array, or of a part of them. */
export class JsonStream {
  readonly cutter: JsonElements;
  readonly #file: OpenFile;
  readonly #config: JsonConfig;
  readonly #start: number;
  readonly #end: number;

  constructor(file: OpenFile, config: JsonConfig, inside: Inside | undefined, end: number) {
    this.cutter = new JsonElements(config.at, config.maxRecordBytes, inside);
    this.#file = file;
    this.#config = config;
    this.#start = inside?.byte ?? 0;
    this.#end = end;
  }

  /**
   * Elements by the chunk that they were read in.
   *
   * @throws Failure as `JsonElements`, and of the compressed stream, when every element before was handed on
   */
  async *batches(): AsyncGenerator<Iterable<JsonElement>> {
    const bytes = content(this.#file, this.#config, this.#start, this.#end);
    const chunks = this.#start === 0 ? behindMark(bytes, (mark) => this.cutter.skip(mark)) : bytes;
    for await (const chunk of chunks) yield this.cutter.push(chunk);
    if (this.#end === this.#file.size) this.cutter.finish();
  }
}

/** What the beginning of a file tells. */
export interface JsonHead {
  /** Whether it is one object after the other, on lines of their own. */
  readonly lines: boolean;
  /** The source text of the first row, where it lies in the beginning. */
  readonly row: Uint8Array | undefined;
}

async function beginning(file: OpenFile, config: JsonConfig): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of behindMark(content(gradual(file), config, 0, file.size), () => {})) {
      pieces.push(chunk);
      bytes += chunk.length;
      if (bytes >= HEAD_BYTES) break;
    }
  } catch (error) {
    // Of what breaks off, or is no such stream, there may be a beginning; reading it will say what is wrong.
    if (!(error instanceof Failure)) throw error;
  }
  return Buffer.concat(pieces);
}

/** Looks at the beginning of a file. */
export async function jsonHead(file: OpenFile, config: JsonConfig): Promise<JsonHead> {
  const head = await beginning(file, config);
  const next = (from: number): number => {
    let at = from;
    while (at < head.length && isSpace(head[at] ?? 0)) at++;
    return at;
  };
  const start = next(0);
  if (config.at === undefined && head[start] === OPEN) {
    const end = new JsonValue().end(head, start);
    const oneLine = !head.subarray(start, end).includes(LF ?? 0);
    if (end !== -1 && oneLine && head[next(end)] === OPEN) return { lines: true, row: head.subarray(start, end) };
  }
  try {
    for (const { bytes } of new JsonElements(config.at, HEAD_BYTES).push(head)) return { lines: false, row: bytes };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  return { lines: false, row: undefined };
}

/**
 * Cuts a file of this machine between elements, which only a look at all of it can find. One that is not as it should be
 * is left in one piece: whoever reads it says why.
 */
export async function jsonCuts(file: OpenFile, config: JsonConfig, splitBytes: number): Promise<Piece[]> {
  const whole = [{ bytes: file.size, range: { start: 0, end: file.size } }];
  const cuts = new Cuts(file.size, splitBytes);
  if (!cuts.needed) return whole;
  const starts: { byte: number; row: number; around: number }[] = [{ byte: 0, row: 0, around: 0 }];
  const stream = new JsonStream(file, config, undefined, file.size);
  let row = 0;
  try {
    for await (const elements of stream.batches()) {
      for (const { byte } of elements) {
        if (row > 0 && cuts.at(byte)) starts.push({ byte, row, around: stream.cutter.around });
        row++;
      }
    }
  } catch (error) {
    if (error instanceof Failure) return whole;
    throw error;
  }
  return starts.map(({ byte: start, row: first, around }, index) => {
    const end = starts[index + 1]?.byte ?? file.size;
    return { bytes: end - start, range: { start, end, row: first, around } };
  });
}
