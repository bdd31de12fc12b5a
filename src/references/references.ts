import path from 'node:path';
import type { SourceRef } from '../records.ts';
import { Failure } from '../sources/failure.ts';
import { schemeOf } from '../storage/location.ts';
import type { Cell } from './cells.ts';
import type { Located, Shelf } from './located.ts';
import { hubFileAt, parseReference, type Reference, shownReference, tooLarge } from './reference.ts';
import { membersFor, type Rule } from './rules.ts';
import { Shared } from './shared.ts';
import type { Shelves } from './shelves.ts';

export interface ReferencesOptions {
  /** What relative references are relative to, before what their rows say. */
  readonly base: string | undefined;
  readonly rules: readonly Rule[];
  /** Bytes of one file at most. */
  readonly maxBytes: number;
}

/** Answers that are kept: where a file lies, or that it lies nowhere. */
const ANSWERS = 1 << 14;

/** Bytes that they and what servers and datasets are known of take. */
export const ANSWERS_HOLD = 24 << 20;

type Answer = { readonly located: Located } | { readonly failure: Failure };

/** Finds what rows point to. One for all splits in hand, so that what many point to is looked for once. */
export class References {
  readonly #options: ReferencesOptions;
  readonly #shelves: Shelves;
  readonly #answers = new Shared<Answer>({ max: ANSWERS });

  constructor(options: ReferencesOptions, shelves: Shelves) {
    this.#options = options;
    this.#shelves = shelves;
  }

  /**
   * @throws Failure where there is no such file, or it must not be taken; SourceError where nobody can tell
   */
  async locate({ bytes, text }: Cell, source: SourceRef, signal: AbortSignal): Promise<Located> {
    const { maxBytes } = this.#options;
    if (bytes !== null) return inline(bytes, source, maxBytes);
    const parsed = parseReference(text ?? '', maxBytes);
    if (parsed.kind === 'data') return inline(parsed.bytes, source, maxBytes);
    const onHub = parsed.kind === 'web' ? hubFileAt(parsed.url, this.#shelves.endpoint) : undefined;
    const reference = onHub ?? parsed;
    const key = keyOf(reference, this.#options.base ?? source.base, source.uri);
    const answer = await this.#answers.get(key, signal, async (during) => {
      try {
        const located = await this.#find(reference, source, during);
        if (located.size > maxBytes) throw tooLarge(located.size, maxBytes);
        return { located };
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return { failure: error };
      }
    });
    if ('failure' in answer) throw answer.failure;
    return answer.located;
  }

  #find(reference: Exclude<Reference, { kind: 'data' }>, source: SourceRef, signal: AbortSignal): Promise<Located> {
    switch (reference.kind) {
      case 'relative':
        return this.#relative(reference.path, source, signal);
      case 'hub': {
        const { repository, revision, path: file } = reference;
        return one(this.#shelves.dataset(repository, revision), file, signal);
      }
      case 'web':
        return one(this.#shelves.web, reference.url, signal);
      case 'bucket':
        return one(this.#shelves.bucket, reference.url, signal);
    }
  }

  async #relative(file: string, source: SourceRef, signal: AbortSignal): Promise<Located> {
    const base = this.#options.base ?? source.base;
    const dataset = datasetOf(base);
    const tried: string[] = [];
    let code = 'MISSING_REFERENCE';
    for (const rule of this.#options.rules) {
      const members = membersFor(rule, file, dataset);
      if (members.length === 0) continue;
      const damaged: string[] = [];
      for (const archive of rule.archives) {
        const shelf = this.#shelves.archive(archive, base);
        const found = await shelf.find(members, signal);
        if (found !== undefined) return found;
        const damage = await shelf.damage(signal);
        if (damage !== undefined) damaged.push(`${shownArchive(archive)}: ${damage}`);
      }
      tried.push(`${members.join(' or ')} in ${listed(rule.archives)}`);
      // Nobody can say that it is not in there.
      if (damaged.length > 0) code = 'DAMAGED_ARCHIVE';
      tried.push(...damaged);
    }
    if (base !== undefined) {
      const shelf = this.#shelves.folder(base);
      const places = this.#options.base === undefined ? placesOf(file, source.uri, base) : [file, `data/${file}`];
      const found = await shelf.find(places, signal);
      if (found !== undefined) return found;
      await shelf.vouch?.(signal);
      tried.push(
        `${places.join(', ')} ${schemeOf(base) === undefined ? 'beside the source' : `of ${shownReference(base)}`}`,
      );
    }
    if (tried.length > 0) throw missing(`looked for ${tried.join('; ')}`, code);
    throw new Failure(
      'MISSING_REFERENCE',
      'nothing says what the path is relative to',
      'Set the base of attach to a folder or to hf://datasets/owner/name.',
    );
  }
}

async function one(shelf: Shelf, name: string, signal: AbortSignal): Promise<Located> {
  const found = await shelf.find([name], signal);
  if (found !== undefined) return found;
  await shelf.vouch?.(signal);
  throw missing('there is no such file');
}

function missing(where: string, code = 'MISSING_REFERENCE'): Failure {
  return new Failure(code, where, 'Check the reference, the base and the archive rules of attach.');
}

function inline(bytes: Uint8Array, { uri }: SourceRef, maxBytes: number): Located {
  if (bytes.length > maxBytes) throw tooLarge(bytes.length, maxBytes);
  return { uri, size: bytes.length, read: async () => bytes };
}

const datasetOf = (base = ''): string | undefined => /^hf:\/\/datasets\/([^/@]+\/[^/@]+)/.exec(base)?.[1];

/** Where a path may lead: from the root, from `data/`, from the folder that the row's own file lies in. */
function placesOf(file: string, uri: string, base: string): readonly string[] {
  const within = uri.startsWith(`${base}/`) ? uri.slice(base.length + 1) : uri;
  const folder = schemeOf(within) === undefined && !within.includes('!/') ? path.posix.dirname(within) : '.';
  return [...new Set([file, `data/${file}`, ...(folder === '.' ? [] : [`${folder}/${file}`])])];
}

/** Two references with the same key lead to the same file. */
function keyOf(reference: Exclude<Reference, { kind: 'data' }>, base: string | undefined, uri: string): string {
  switch (reference.kind) {
    case 'hub':
      return ['hub', reference.repository, reference.revision ?? '', reference.path].join('\0');
    case 'relative':
      return ['relative', base ?? '', path.posix.dirname(uri), reference.path].join('\0');
    case 'web':
    case 'bucket':
      return reference.url;
  }
}

function listed(archives: readonly string[]): string {
  const [first = '', last = ''] = [archives[0], archives.at(-1)].map((one = '') => shownArchive(one));
  return archives.length === 1 ? first : `${archives.length} archives (${first} to ${last})`;
}

/** An archive as messages name it: of a path of this machine, the last part alone. */
const shownArchive = (archive: string): string =>
  path.isAbsolute(archive) ? path.basename(archive) : shownReference(archive);
