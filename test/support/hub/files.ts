import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Text, bytes, or a file of this machine. */
export type Content = string | Uint8Array | URL;

/** Contents by path; a string is a folder of this machine. */
export type Tree = string | Readonly<Record<string, Content>>;

/** A file as the Hub keeps it. */
export interface HubFile {
  readonly size: number;
  readonly sha256: string;
  /** Of the git object: of the pointer where git-LFS holds the file. */
  readonly oid: string;
  /** Size of the pointer where git-LFS holds the file. */
  readonly pointerSize: number | undefined;
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

const LFS_NAMES = /\.(parquet|safetensors|tar|t?gz|zst|zip|db|npz|npy|arrow|bin|bz2|xz|png|jpe?g|webp|mp[34]|wav)$/i;

/** Whether git-LFS holds a file: by its name, as `.gitattributes` of new datasets has it, or by its size. */
export function isLfs(name: string, size: number, lfsFrom: number): boolean {
  return LFS_NAMES.test(name) || size >= lfsFrom;
}

const CHUNK = 64 << 10;

export function hubFile(content: Content, lfs: boolean): HubFile {
  const stored = content instanceof URL ? fileURLToPath(content) : Buffer.from(content);
  const size = typeof stored === 'string' ? statSync(stored).size : stored.length;
  const sha256 = createHash('sha256');
  const git = createHash('sha1').update(`blob ${size}\0`);
  for (const bytes of pieces(stored)) {
    sha256.update(bytes);
    git.update(bytes);
  }
  const hash = sha256.digest('hex');
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${hash}\nsize ${size}\n`;
  const pointerOid = createHash('sha1').update(`blob ${pointer.length}\0${pointer}`).digest('hex');
  return {
    size,
    sha256: hash,
    oid: lfs ? pointerOid : git.digest('hex'),
    pointerSize: lfs ? pointer.length : undefined,
    async *read(start, end) {
      if (start >= end) return;
      if (typeof stored === 'string') yield* createReadStream(stored, { start, end: end - 1, highWaterMark: CHUNK });
      else for (let at = start; at < end; at += CHUNK) yield stored.subarray(at, Math.min(end, at + CHUNK));
    },
  };
}

function* pieces(stored: string | Buffer): Generator<Uint8Array> {
  if (typeof stored !== 'string') return yield stored;
  const file = openSync(stored, 'r');
  try {
    const buffer = new Uint8Array(1 << 20);
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) yield buffer.subarray(0, read);
  } finally {
    closeSync(file);
  }
}

/** All files of a tree, by path. */
export function treeFiles(tree: Tree, lfsFrom: number): Map<string, HubFile> {
  const contents: [string, Content][] =
    typeof tree === 'string'
      ? readdirSync(tree, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => {
            const file = path.join(entry.parentPath, entry.name);
            return [path.relative(tree, file).replaceAll(path.sep, '/'), pathToFileURL(file)];
          })
      : Object.entries(tree);
  return new Map(
    contents.map(([name, content]) => {
      const size = content instanceof URL ? statSync(content).size : Buffer.byteLength(content);
      return [name, hubFile(content, isLfs(name, size, lfsFrom))];
    }),
  );
}
