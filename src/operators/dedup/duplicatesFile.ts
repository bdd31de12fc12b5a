import type { Position } from '../../errors.ts';
import { DUPLICATES_FORMAT } from '../../formats/names.ts';
import type { SplitOutput } from '../../run/context.ts';
import type { ArtefactFile } from '../../sinks/artefact.ts';

/** A document that was dropped, and the one that was kept in its place. */
export interface Duplicate {
  readonly id: string;
  /** Id of a document that is kept: the first in the order of the source that it is like. */
  readonly duplicate_of: string;
  /**
   * Similarity of the two: 1 where their bytes are equal. Where the one that is kept is only alike by way of another
   * duplicate, or has been forgotten, similarity to that other one.
   */
  readonly similarity: number;
  /** Number of the first document of the cluster, which is kept, counted from 0 in the order of the source. */
  readonly cluster: number;
  /** Clusters that it is like as well, so that they are one with this one from here on: lines before this one do not know. */
  readonly joins?: readonly number[];
  /** `exact`: the bytes are equal. */
  readonly kind: 'exact' | 'near';
  readonly uri: string;
  readonly position: Position;
}

/** Lines are gathered up to this many bytes before they are written. */
export const WRITE_BYTES = 256 << 10;

/** `<dir>/<split>.jsonl`: a line for each duplicate of a split, in order; no file where there is none. */
export class DuplicatesFile {
  readonly #output: SplitOutput;
  readonly #path: string;
  readonly #temporary: boolean;
  #file: ArtefactFile | undefined;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #count = 0;
  #exact = 0;

  /**
   * The file is published before the split's commit, which counts `duplicates`.
   * @param temporary it is of no use behind the run, which puts what it says elsewhere
   */
  constructor(output: SplitOutput, dir: string, temporary = false) {
    this.#temporary = temporary;
    this.#output = output;
    this.#path = `${dir}/${output.split.id}.jsonl`;
    output.beforeCommit(() => this.#finish());
  }

  /** One call at a time. */
  async write(duplicate: Duplicate): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(duplicate)}\n`);
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    this.#count++;
    if (duplicate.kind === 'exact') this.#exact++;
    if (this.#pendingBytes >= WRITE_BYTES) await this.#flush();
  }

  async #finish(): Promise<Record<string, number>> {
    await this.#flush();
    const temporary = this.#temporary ? { temporary: true } : {};
    await this.#file?.publish({ format: DUPLICATES_FORMAT, duplicates: this.#count, ...temporary });
    return { duplicates: this.#count, duplicates_exact: this.#exact };
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    this.#file ??= await this.#output.file(this.#path);
    await this.#file.write(Buffer.concat(this.#pending, this.#pendingBytes));
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}
