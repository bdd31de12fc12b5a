import { PipelineError } from '../errors.ts';
import type { Split } from '../sources/source.ts';
import type { Shard } from './shardCut.ts';

/** `shard`: many documents a file, cut by size. `document`: every document has files of its own. */
export type Layout = 'shard' | 'document';

const DIGITS = 6;
/** Leaves room for the rest of the name, and of the temporary one, in the 255 bytes that file systems allow. */
const NAME_LIMIT = 64;

/**
 * Path of a shard's file, relative to the output folder: `<dir>/<split>-<n><extension>`, with `-<document id>` behind
 * the number in the `document` layout. n counts the split's shards from 0 and has six digits, so that names sort as the
 * shards do; it alone makes the name unique. The base name holds no dot, so readers can replace the extension.
 */
export function shardPath(
  dir: string,
  split: Split,
  shard: Pick<Shard<unknown>, 'index' | 'parts'>,
  layout: Layout,
  extension: string,
): string {
  const number = String(shard.index).padStart(DIGITS, '0');
  const name = layout === 'document' ? safeName(shard.parts[0]?.document.id ?? '') : '';
  return `${dir}/${split.id}-${number}${name === '' ? '' : `-${name}`}${extension}`;
}

/** An identifier as part of a file name: ASCII letters, digits, `_` and `-` stay, every run of anything else becomes one `_`. */
function safeName(id: string): string {
  return id
    .replace(/[^A-Za-z0-9_-]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, NAME_LIMIT);
}

const ownFolders = new Set(['commits', 'rejects']);

/**
 * Checks the folder that a sink writes to.
 * @throws PipelineError `BAD_FOLDER` unless it is one plain folder name that the run itself does not use
 */
export function checkedFolder(dir: string): string {
  if (!/^[\w-]+$/.test(dir) || ownFolders.has(dir)) {
    throw new PipelineError(`a sink cannot write to '${dir}'`, {
      code: 'BAD_FOLDER',
      hint: "name one folder inside the output folder, such as 'shards': letters, digits, _ and -; not commits or rejects",
    });
  }
  return dir;
}

const ownFiles = new Set(['plan.json', 'manifest.json', ...ownFolders]);

/**
 * Checks the name of a file right in the output folder.
 * @throws PipelineError `BAD_NAME` for a path, a hidden name, or a name that the run itself uses
 */
export function checkedName(name: string): string {
  if (/^[\w-]+(\.[\w-]+)+$/.test(name) && !ownFiles.has(name)) return name;
  throw new PipelineError(`a sink cannot write a file '${name}'`, {
    code: 'BAD_NAME',
    hint: "name one file in the output folder, such as 'kept.jsonl'; not plan.json or manifest.json",
  });
}
