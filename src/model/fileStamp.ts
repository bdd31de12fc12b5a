import { fstatSync, realpathSync, statSync } from 'node:fs';
import { ModelError } from '../errors.ts';

/** Follows links: a file of the Hub's cache is one, and ONNX Runtime opens no file outside the folder it is told. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // whoever opens it says what is wrong
    return path;
  }
}

/** Tells a file apart from what may later stand in its place; empty where there is none. */
export function fileStamp(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '' : stampOf(stat);
}

/**
 * Weights that change under a model that is open would give other numbers under its name; where they are mapped and the
 * file is cut, the process would die.
 * Throws ModelError `MODEL_CHANGED`.
 */
export function requireStamp(path: string, stamp: string, file?: number): void {
  const now = file === undefined ? fileStamp(path) : stampOf(fstatSync(file, { bigint: true }));
  if (now === stamp) return;
  throw new ModelError(`${path} has changed since the model was opened.`, {
    code: 'MODEL_CHANGED',
    path,
    hint: 'Open the model again; put new weights beside old ones, not in their place.',
  });
}

function stampOf(stat: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint }): string {
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs].join(':');
}
