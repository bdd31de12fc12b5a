/** How archives and documents that are archives are taken apart. */
export type ArchiveOptions = {};

export const ARCHIVE_OPTIONS = {} as const;

/** {@link ArchiveOptions} with nothing left out; plain values, which cross to decoder processes. */
export type ArchiveSettings = { readonly [K in keyof ArchiveOptions]-?: ArchiveOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledArchive(_options: ArchiveOptions = {}): ArchiveSettings {
  return {};
}
