import { PipelineError } from '../../../errors.ts';
import { MAX_EXPANSION } from '../../../sources/compression.ts';

/** How archives and documents that are archives are taken apart. */
export interface ArchiveOptions {
  /**
   * What office documents and EPUB books become: `text`, their main text as one view; `members`, their parts, as of any
   * archive; `multiview`, both, linked as views of one document. Default: `text`.
   */
  readonly documents?: 'text' | 'members' | 'multiview' | undefined;
  /** Unpacked bytes per packed byte at most, of a member and of all of an archive together; 16 MiB always pass. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

export const ARCHIVE_OPTIONS = { documents: true, maxExpansion: true } as const;

/** {@link ArchiveOptions} with nothing left out; plain values, which cross to decoder processes. */
export type ArchiveSettings = { readonly [K in keyof ArchiveOptions]-?: NonNullable<ArchiveOptions[K]> };

const DOCUMENTS = ['text', 'members', 'multiview'];

/** @throws PipelineError `BAD_OPTION` */
export function settledArchive({
  documents = 'text',
  maxExpansion = MAX_EXPANSION,
}: ArchiveOptions = {}): ArchiveSettings {
  if (!DOCUMENTS.includes(documents)) {
    throw new PipelineError(`archive: documents is ${JSON.stringify(documents)}`, {
      code: 'BAD_OPTION',
      hint: `one of ${DOCUMENTS.join(', ')}`,
    });
  }
  if (!(Number.isFinite(maxExpansion) && maxExpansion >= 1)) {
    throw new PipelineError(`archive: maxExpansion is ${maxExpansion}; it must be a number of at least 1`, {
      code: 'BAD_OPTION',
    });
  }
  return { documents, maxExpansion };
}
