import type { Artefact, ArtefactFile } from '../artefact.ts';
import { COALESCE_BYTES } from '../chunkList.ts';
import type { SinkContext } from '../sink.ts';
import { type Counts, Tally } from '../table/counts.ts';

export interface LineFileOptions {
  readonly dir: string;
  readonly fileBytes: number;
  /** Whether the files go when the run is complete. */
  readonly temporary: boolean;
  readonly format: string;
  /** What is said of every file besides its format, split and counts. */
  readonly info?: Artefact['info'] | undefined;
}

const LINE_END = Buffer.from('\n');

/** Writes lines into files `<dir>/<split>-<n>.jsonl`; a line that would make a file too large begins the next. */
export class LineFiles<C extends Counts> {
  readonly #context: SinkContext;
  readonly #options: LineFileOptions;
  #file: ArtefactFile | undefined;
  #files = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #fileBytes = 0;
  readonly #inFile: Tally<C>;
  readonly #all: Tally<C>;

  /** @param none counts to begin with, all 0 */
  constructor(context: SinkContext, options: LineFileOptions, none: C) {
    this.#context = context;
    this.#options = options;
    this.#inFile = new Tally(none);
    this.#all = new Tally(none);
  }

  /** Adds a line without its end, in pieces, and what it counts for. */
  async add(pieces: Iterable<Uint8Array>, counts: C): Promise<void> {
    const line = [...pieces, LINE_END];
    const bytes = line.reduce((total, piece) => total + piece.length, 0);
    if (this.#fileBytes > 0 && this.#fileBytes + bytes > this.#options.fileBytes) await this.#close();
    this.#fileBytes += bytes;
    this.#inFile.add(counts);
    this.#all.add(counts);
    for (const piece of line) {
      this.#pending.push(piece);
      this.#pendingBytes += piece.length;
      if (this.#pendingBytes >= COALESCE_BYTES) await this.#flush();
    }
  }

  /** @returns the counts of all lines */
  async finish(): Promise<C> {
    await this.#close();
    return this.#all.take();
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const number = String(this.#files).padStart(6, '0');
    this.#file ??= await this.#context.file(`${this.#options.dir}/${this.#context.split.id}-${number}.jsonl`);
    await this.#file.write(Buffer.concat(this.#pending, this.#pendingBytes));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  async #close(): Promise<void> {
    await this.#flush();
    const { format, temporary, info: more } = this.#options;
    const info: Artefact['info'] = { format, split: this.#context.split.id, ...more, ...this.#inFile.take() };
    await this.#file?.publish(temporary ? { ...info, temporary } : info);
    if (this.#file !== undefined) this.#files++;
    this.#file = undefined;
    this.#fileBytes = 0;
  }
}
