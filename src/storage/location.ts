import { join } from 'node:path';

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/** Scheme of a URL in lower case; undefined for a path of this machine. */
export function schemeOf(location: string): string | undefined {
  return SCHEME.exec(location)?.[1]?.toLowerCase();
}

/** Where a file lies: its name within a folder or under a URL, unless the name is a URL by itself. */
export function locate(root: string, uri: string): string {
  if (schemeOf(uri) !== undefined) return uri;
  return schemeOf(root) === undefined ? join(root, uri) : `${root}/${uri}`;
}

const REPOSITORY = /^hf:\/\/datasets\/[^/]+\/[^/]+/;

/**
 * What paths in a file are relative to: the folder that its source reads, or of a remote file its dataset at the
 * revision it has, or the folder it lies in. Without a slash at the end.
 */
export function baseOf(root: string, location: string): string {
  if (schemeOf(location) === undefined) return root;
  const repository = REPOSITORY.exec(location)?.[0];
  if (repository !== undefined) return repository;
  const path = location.replace(/[?#].*$/s, '');
  return path.slice(0, path.lastIndexOf('/'));
}
