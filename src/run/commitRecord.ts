import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { OutputError } from '../errors.ts';
import type { Artefact } from '../sinks/artefact.ts';

/** What `commits/<split>.json` holds: a split is done when this file exists, and its files are exactly these. */
export interface CommitRecord {
  readonly split: string;
  /** Sorted by path. */
  readonly artefacts: readonly Artefact[];
  readonly counts: Readonly<Record<string, number>>;
  readonly rejects: number;
}

/** Path of a split's commit record, relative to the output folder. */
export function commitPath(split: string): string {
  return `commits/${split}.json`;
}

/**
 * The commit record of a split, or `undefined` where the split has not been committed.
 * @throws OutputError `BAD_COMMIT` for a record that is no JSON, belongs to another split or lacks a member
 */
export async function readCommit(root: string, split: string): Promise<CommitRecord | undefined> {
  const file = path.join(root, commitPath(split));
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return commitFrom(JSON.parse(text), split);
  } catch (error) {
    throw new OutputError(`${commitPath(split)} is no commit record: ${(error as Error).message}`, {
      code: 'BAD_COMMIT',
      path: file,
      hint: 'commit records are written whole or not at all, so it was changed; remove it to have the split run again',
      cause: error,
    });
  }
}

/** Names of the commits of passes and tasks, which lie in folders of their own: `dedup/link-00000`. */
export async function taskCommitNames(root: string): Promise<string[]> {
  const entries = await readdir(path.join(root, 'commits'), { withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const folder of entries.filter((entry) => entry.isDirectory())) {
    for (const file of await readdir(path.join(root, 'commits', folder.name))) {
      if (file.endsWith('.json')) names.push(`${folder.name}/${file.slice(0, -'.json'.length)}`);
    }
  }
  return names.sort();
}

function commitFrom(value: unknown, split: string): CommitRecord {
  const record = members(value, 'it');
  if (record.split !== split) throw new TypeError(`it is of split '${record.split}'`);
  if (!Array.isArray(record.artefacts)) throw new TypeError('artefacts are missing');
  return {
    split,
    artefacts: record.artefacts.map(artefactFrom),
    counts: countsFrom(record.counts),
    rejects: numberFrom(record.rejects, 'rejects'),
  };
}

function artefactFrom(value: unknown): Artefact {
  const { path: file, bytes, sha256, info } = members(value, 'an artefact');
  if (typeof file !== 'string' || file === '' || file.startsWith('/') || file.split('/').includes('..')) {
    throw new TypeError(`an artefact has the path '${file}'`);
  }
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError(`sha256 of ${file} is missing`);
  // JSON.parse gives JSON values and nothing else.
  return {
    path: file,
    bytes: numberFrom(bytes, `bytes of ${file}`),
    sha256,
    info: members(info, 'info') as Artefact['info'],
  };
}

function countsFrom(value: unknown): Record<string, number> {
  const entries = Object.entries(members(value, 'counts'));
  return Object.fromEntries(entries.map(([name, count]) => [name, numberFrom(count, `count ${name}`)]));
}

function numberFrom(value: unknown, what: string): number {
  if (typeof value !== 'number' || !(value >= 0)) throw new TypeError(`${what} is ${JSON.stringify(value)}`);
  return value;
}

function members(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${what} is no object`);
  return value as Record<string, unknown>;
}
