import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { PipelineError } from '../../../errors.ts';
import { canonicalJson, type JsonValue } from '../../../json.ts';
import { type CorpusPart, type CorpusSettings, requireNumbers } from '../../../lsh/corpus/parts.ts';

const FORMAT = 'sluice_corpus_v1';

/** `<index>/index.json`: what lies in the folder of a corpus that was deduplicated. */
export interface CorpusIndex {
  readonly format: typeof FORMAT;
  readonly settings: CorpusSettings;
  /** In the order of the plan. */
  readonly splits: readonly IndexedSplit[];
  /** SHA-256 of the file of roots. */
  readonly roots: string;
  /** The corpus whose documents come before these. */
  readonly against: Against | null;
}

export interface IndexedSplit {
  readonly id: string;
  readonly documents: number;
  /** Entries in each block of its keys. */
  readonly blocks: readonly number[];
  /** SHA-256 of its files, by their extension: what an index holds is part of what it is. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** Another corpus, as an index names it. */
export interface Against {
  /** Path of its folder, relative to the folder of the index that names it. */
  readonly folder: string;
  /** SHA-256 of its `index.json`. */
  readonly sha256: string;
}

export const INDEX_FILE = 'index.json';

export function indexText(index: CorpusIndex): string {
  return `${canonicalJson(index as unknown as JsonValue, 1)}\n`;
}

/** A corpus with everything that comes before it. */
export interface Corpus {
  readonly settings: CorpusSettings;
  /** All parts in order; those of the latest corpus come last. */
  readonly parts: readonly CorpusPart[];
  /** Files of roots of each earlier corpus, and of this one, in order. */
  readonly roots: readonly string[];
  /** Every file of the earlier corpora with its SHA-256. */
  readonly earlier: readonly IndexedFile[];
  /** Documents before those of the latest corpus. */
  readonly firstNew: number;
  /** Of all. */
  readonly documents: number;
  /** Splits of the latest corpus, by id. */
  readonly splits: ReadonlyMap<string, CorpusPart>;
}

/** A file that an index names. */
export interface IndexedFile {
  readonly path: string;
  readonly sha256: string;
}

/** What comes before the documents of a corpus. */
export type CorpusBefore = Pick<Corpus, 'parts' | 'roots' | 'documents' | 'earlier'>;

export const EMPTY_CORPUS: CorpusBefore = { parts: [], roots: [], documents: 0, earlier: [] };

/** Puts the documents of one more corpus behind those before it. */
export function corpusAfter(
  before: CorpusBefore,
  folder: string,
  settings: CorpusSettings,
  splits: readonly IndexedSplit[],
): Corpus {
  let first = before.documents;
  const own = splits.map(({ id, documents, blocks }) => {
    const part: CorpusPart = { file: path.join(folder, `sign-${id}`), first, documents, blocks };
    first += documents;
    return [id, part] as const;
  });
  requireNumbers(first);
  return {
    settings,
    parts: [...before.parts, ...own.map(([, part]) => part)],
    roots: [...before.roots, path.join(folder, ROOTS_FILE)],
    earlier: before.earlier,
    firstNew: before.documents,
    documents: first,
    splits: new Map(own),
  };
}

export const ROOTS_FILE = 'cluster-0.roots';

/**
 * Reads the index in a folder, and those that it builds on. Throws PipelineError `NO_INDEX`, `BAD_INDEX`, `INDEX_CHANGED`.
 * @param sha256 what it is expected to be
 */
export function readCorpus(folder: string, sha256?: string): Corpus {
  return chain(folder, sha256, 0);
}

/** SHA-256 of an index: what a run against it depends on. */
export function indexHash(folder: string): string {
  return createHash('sha256').update(textOf(folder)).digest('hex');
}

/** Tells an index from one that was written in its place later: cheap to ask for. */
export function indexStamp(folder: string): string {
  const file = path.join(folder, INDEX_FILE);
  const { ino, size, mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? noIndex(file);
  return `${ino}-${size}-${mtimeMs}`;
}

const LONGEST_CHAIN = 1000;

function chain(folder: string, expected: string | undefined, depth: number): Corpus {
  const text = textOf(folder);
  if (expected !== undefined && createHash('sha256').update(text).digest('hex') !== expected) {
    throw new PipelineError('an index that others build on has changed', {
      code: 'INDEX_CHANGED',
      path: folder,
      hint: 'deduplicate again what was deduplicated against it',
    });
  }
  const index = parsed(text, folder);
  const { against } = index;
  if (depth === LONGEST_CHAIN) throw badIndex(folder, 'it builds on itself, or on too many others');
  const before = against && chain(path.resolve(realpathSync(folder), against.folder), against.sha256, depth + 1);
  const corpus = corpusAfter(before ?? EMPTY_CORPUS, folder, index.settings, index.splits);
  return { ...corpus, earlier: [...corpus.earlier, ...filesOf(folder, index)] };
}

function filesOf(folder: string, { splits, roots }: CorpusIndex): IndexedFile[] {
  const signed = splits.flatMap(({ id, sha256 }) =>
    Object.entries(sha256).map(([extension, hash]) => ({
      path: path.join(folder, `sign-${id}.${extension}`),
      sha256: hash,
    })),
  );
  return [...signed, { path: path.join(folder, ROOTS_FILE), sha256: roots }];
}

function textOf(folder: string): string {
  const file = path.join(folder, INDEX_FILE);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) noIndex(file);
  return readFileSync(file, 'utf8');
}

function noIndex(file: string): never {
  throw new PipelineError('there is no index of a corpus', {
    code: 'NO_INDEX',
    path: file,
    hint: 'it is in the output of a finished run that kept it; a run makes its own where dedup stands in .pipe by itself',
  });
}

function parsed(text: string, folder: string): CorpusIndex {
  try {
    const index = JSON.parse(text) as CorpusIndex;
    if (index.format !== FORMAT) throw new Error(`its format is '${index.format}'`);
    const { components, banding, shingle, threshold } = index.settings;
    const numbers = [components, banding.bands, banding.rows, shingle.length, threshold];
    if (!numbers.every((number) => typeof number === 'number')) throw new Error('its settings are incomplete');
    const whole = index.splits.every(
      ({ id, documents, blocks }) =>
        /^\d+$/.test(id) && Number.isSafeInteger(documents) && blocks.every((entries) => Number.isSafeInteger(entries)),
    );
    if (!whole) throw new Error('its splits are not numbered as they are written');
    return index;
  } catch (error) {
    throw badIndex(folder, (error as Error).message);
  }
}

function badIndex(folder: string, reason: string): PipelineError {
  return new PipelineError(`${INDEX_FILE} is not an index of this version: ${reason}`, {
    code: 'BAD_INDEX',
    path: path.join(folder, INDEX_FILE),
    hint: 'deduplicate that corpus again with this version',
  });
}
