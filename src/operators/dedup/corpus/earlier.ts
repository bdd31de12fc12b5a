import { realpathSync } from 'node:fs';
import path from 'node:path';
import { PipelineError } from '../../../errors.ts';
import type { CorpusSettings } from '../../../lsh/corpus/parts.ts';
import { type Against, type Corpus, indexHash, indexStamp, readCorpus } from './indexFile.ts';
import { requireSameSettings } from './sameSettings.ts';

/** The corpus whose documents come before those of a run; the same one throughout a run. */
export class EarlierCorpus {
  readonly #folder: string;
  readonly #settings: CorpusSettings;
  #hash: string | undefined;
  #read: { readonly stamp: string; readonly corpus: Corpus } | undefined;

  /** @param folder absolute path of its index */
  constructor(folder: string, settings: CorpusSettings) {
    this.#folder = folder;
    this.#settings = settings;
  }

  /**
   * SHA-256 of its index, which a run depends on. Throws PipelineError as {@link readCorpus} does, and `OTHER_INDEX` for one
   * that was signed otherwise.
   */
  identify(): string {
    const hash = indexHash(this.#folder);
    requireSameSettings(this.#settings, readCorpus(this.#folder, hash).settings, this.#folder);
    this.#hash = hash;
    this.#read = undefined;
    return hash;
  }

  /** Throws PipelineError `INDEX_CHANGED` where another one lies there since {@link identify}. */
  corpus(): Corpus {
    const stamp = indexStamp(this.#folder);
    if (this.#read?.stamp === stamp) return this.#read.corpus;
    const corpus = readCorpus(this.#folder, this.#hash);
    requireSameSettings(this.#settings, corpus.settings, this.#folder);
    this.#read = { stamp, corpus };
    return corpus;
  }

  /** How the index in a folder names it. Links are followed: both may be reached by other paths later. */
  namedFrom(folder: string): Against {
    const relative = path.relative(realpathSync(folder), realpathSync(this.#folder));
    return { folder: relative.split(path.sep).join('/'), sha256: this.#hash ?? indexHash(this.#folder) };
  }

  /** Throws PipelineError `OWN_INDEX` where it, or one that it builds on, lies in the folder that a run will write to. */
  requireOutside(root: string): void {
    const own = path.join(realpathSync(root), path.sep);
    const inside = this.corpus().roots.find((file) => realpathSync(path.dirname(file)).startsWith(own));
    if (inside === undefined) return;
    throw new PipelineError('a corpus cannot be deduplicated against what lies in its own output folder', {
      code: 'OWN_INDEX',
      path: path.dirname(inside),
      hint: 'give another --output: what is dropped here is what that one has kept',
    });
  }
}
