import { createHash, type Hash } from 'node:crypto';
import { SourceError } from '../../errors.ts';
import type { Wanted } from './download.ts';

/** A hash of the kind that a file's is: SHA-256, or that of a git object. */
export function hasherOf({ etag, size }: Pick<Wanted, 'etag' | 'size'>): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/**
 * Passes all bytes of a file on, and at their end compares their hash.
 *
 * @throws SourceError `CORRUPT_DOWNLOAD`
 */
export async function* verified(
  file: Wanted,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = hasherOf(file);
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  const digest = hash.digest('hex');
  if (digest !== file.etag) throw corrupt(file, digest);
}

/** The error of bytes that are not those of the file. */
export function corrupt({ repository, commit, path, etag }: Wanted, digest: string): SourceError {
  return new SourceError(
    `'${path}' of the dataset '${repository}' arrived damaged: its hash is ${digest}, not ${etag}`,
    {
      code: 'CORRUPT_DOWNLOAD',
      path: `hf://datasets/${repository}@${commit}/${path}`,
      hint: 'Run again later, or without the proxy or mirror in between.',
    },
  );
}
