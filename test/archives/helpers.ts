import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type ArchiveIndex, type ArchiveSettings, openArchive } from '../../src/archives/archiveIndex.ts';
import { type OpenFile, openLocal } from '../../src/sources/open-file.ts';
import { found } from '../../src/sources/walk.ts';

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-archives-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file that counts what is read of it. */
export interface CountedFile extends OpenFile {
  readonly ranges: { readonly start: number; readonly end: number }[];
}

export async function counted(path: string, remote = false): Promise<CountedFile> {
  const file = await openLocal(found(path, basename(path), statSync(path)));
  const ranges: { start: number; end: number }[] = [];
  return {
    location: file.location,
    uri: file.uri,
    size: file.size,
    mtimeMs: file.mtimeMs,
    local: remote ? undefined : file.local,
    ranges,
    read(start, end) {
      ranges.push({ start, end });
      return file.read(start, end);
    },
    async *stream(start, end) {
      for await (const chunk of file.stream(start, end)) {
        ranges.push({ start, end: start + chunk.length });
        yield chunk;
      }
    },
    close: () => file.close(),
  };
}

export const bytesRead = ({ ranges }: CountedFile): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);

/** Writes an archive and opens it, with a cache of its own unless one is given. */
export async function opened(
  name: string,
  bytes: Uint8Array,
  settings: ArchiveSettings & { readonly folder?: string; readonly remote?: boolean } = {},
): Promise<{ readonly index: ArchiveIndex; readonly file: CountedFile; readonly cache: string }> {
  const folder = settings.folder ?? temporaryFolder();
  const path = join(folder, name);
  writeFileSync(path, bytes);
  const file = await counted(path, settings.remote);
  const cache = settings.cache ?? join(folder, 'cache');
  onTestFinished(() => file.close());
  const index = await openArchive(file, { ...settings, cache });
  onTestFinished(() => index.close());
  return { index, file, cache };
}

export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}
