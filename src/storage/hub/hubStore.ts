import picomatch from 'picomatch';
import { SourceError } from '../../errors.ts';
import type { OpenFile } from '../../sources/open-file.ts';
import type { FoundFile } from '../../sources/walk.ts';
import { didYouMean } from '../../suggest.ts';
import type { Store } from '../stores.ts';
import { parseHubLocation } from './location.ts';
import { foundFile, HubReader, type ReaderOptions } from './reader.ts';
import { requireShards } from './shards.ts';

/**
 * Files at `hf://datasets/owner/name[@revision]/path`: one, all below a folder, or all that a pattern matches. They are listed
 * under the commit that the revision means now, with their hashes, so that a plan reads the same bytes for ever.
 */
export class HubStore implements Store {
  readonly #reader: HubReader;

  constructor(reader: HubReader) {
    this.#reader = reader;
  }

  async *list(input: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
    const { repository, revision, path } = parseHubLocation(input);
    const commit = await this.#reader.commitOf(repository, revision, signal);
    const { base, glob, isGlob } = picomatch.scan(path);
    if (isGlob) {
      const matches = picomatch(glob);
      const under = base === '' ? 0 : base.length + 1;
      // A name with brackets may be a file.
      yield* this.#below(repository, commit, base, (name) => name === path || matches(name.slice(under)), signal);
      return;
    }
    const plain = path.replace(/\/$/, '');
    const found = plain === '' ? 'folder' : await this.#reader.look(repository, commit, plain, signal);
    if (found === undefined) throw await this.#notFound(input, repository, commit, plain);
    if (found === 'folder') yield* this.#below(repository, commit, plain, () => true, signal);
    else yield foundFile(repository, commit, found);
  }

  open(file: FoundFile, signal?: AbortSignal): Promise<OpenFile> {
    return this.#reader.open(file, signal);
  }

  async *#below(
    repository: string,
    commit: string,
    folder: string,
    matches: (path: string) => boolean,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FoundFile> {
    const { files, complete } = await this.#reader.files(repository, commit, folder, signal);
    const wanted = files.filter(({ path }) => matches(path));
    if (!complete) requireShards(repository, wanted);
    for (const file of wanted) yield foundFile(repository, commit, file);
  }

  async #notFound(input: string, repository: string, commit: string, path: string): Promise<SourceError> {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    const near = await this.#reader.names(repository, commit, parent);
    return new SourceError(`the dataset '${repository}' has no file '${path}'`, {
      code: 'NOT_FOUND',
      path: input,
      hint: didYouMean(path, near),
    });
  }
}

/** @throws PipelineError `BAD_ENDPOINT`, `BAD_TOKEN`, `BAD_OPTION` */
export async function hubStore(options: ReaderOptions = {}): Promise<HubStore> {
  return new HubStore(new HubReader(options));
}
