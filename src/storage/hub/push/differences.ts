import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileChunks } from '../../../formats/fileChunks.ts';
import { MANIFEST_FILE, type Manifest } from '../../../run/manifest.ts';
import type { HubFile } from '../hub.ts';
import { requireSafePath } from '../location.ts';
import { hasherOf } from '../verified.ts';

/** A file of an output and its place in a dataset. */
export interface LocalFile {
  /** Absolute. */
  readonly local: string;
  readonly remote: string;
  readonly size: number;
  readonly sha256: string;
}

/** What a dataset lacks of an output. */
export interface Difference {
  readonly changed: readonly LocalFile[];
  /** Of the changed files. */
  readonly bytes: number;
  /** Files that are there, with the same hash. */
  readonly kept: number;
  /** Files in the same folder that are not of the output, without those that the Hub puts there itself. */
  readonly foreign: readonly string[];
}

/**
 * Files that an output publishes, the manifest last.
 *
 * @param root an output that was verified
 * @param folder of the dataset; empty for its top
 * @throws SourceError `UNSAFE_PATH`
 */
export async function localFiles(root: string, folder: string): Promise<readonly LocalFile[]> {
  const place = folder.replace(/^\/+|\/+$/g, '');
  const remote = (file: string): string => requireSafePath(place === '' ? file : `${place}/${file}`);
  const manifest = path.resolve(root, MANIFEST_FILE);
  const bytes = await readFile(manifest);
  // It was verified to be the very text that the plan and the commits give.
  const { artefacts } = JSON.parse(bytes.toString('utf8')) as Manifest;
  const files = artefacts.map((artefact) => ({
    local: path.resolve(root, artefact.path),
    remote: remote(artefact.path),
    size: artefact.bytes,
    sha256: artefact.sha256,
  }));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return [...files, { local: manifest, remote: remote(MANIFEST_FILE), size: bytes.length, sha256 }];
}

/** Compares an output with what a dataset has. Small files are read for it, since git knows them by another hash. */
export async function differences(
  files: readonly LocalFile[],
  there: ReadonlyMap<string, HubFile>,
  folder: string,
): Promise<Difference> {
  const changed: LocalFile[] = [];
  for (const file of files) if (!(await isSame(file, there.get(file.remote)))) changed.push(file);
  const own = new Set(files.map(({ remote }) => remote));
  const place = folder.replace(/^\/+|\/+$/g, '');
  const isOthers = (name: string): boolean =>
    !own.has(name) && (place === '' || name.startsWith(`${place}/`)) && !/^(README\.md|\.gitattributes)$/.test(name);
  return {
    changed,
    bytes: changed.reduce((sum, { size }) => sum + size, 0),
    kept: files.length - changed.length,
    foreign: [...there.keys()].filter(isOthers).sort(),
  };
}

async function isSame({ local, size, sha256 }: LocalFile, there: HubFile | undefined): Promise<boolean> {
  if (there?.size !== size) return false;
  if (there.etag.length === 64) return there.etag === sha256;
  if ((await stat(local)).size !== size) return false;
  const hash = hasherOf(there);
  for await (const chunk of fileChunks(local)) hash.update(chunk);
  return hash.digest('hex') === there.etag;
}
