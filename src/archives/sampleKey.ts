/** A member's name as WebDataset divides it. */
export interface SampleName {
  /** Path up to the first dot of its last part: members of one sample share it. */
  readonly key: string;
  /** What follows that dot, in lower case. */
  readonly extension: string;
}

/** `__index__` and the like, files or folders: of the archive, not of a sample. */
const OF_ARCHIVE = /^__[^/]*__($|\/)/;

export const isOfArchive = (name: string): boolean => OF_ARCHIVE.test(name);

/** Undefined where the last part of the path has no dot. */
export function sampleName(name: string): SampleName | undefined {
  const parts = /^((?:.*\/)?[^.]+)\.([^/]*)$/.exec(name);
  const [, key, extension] = parts ?? [];
  return key === undefined || extension === undefined ? undefined : { key, extension: extension.toLowerCase() };
}
