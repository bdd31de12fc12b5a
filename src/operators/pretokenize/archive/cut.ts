import type { Cutter } from '../modality.ts';
import { documentKind } from './documents/kinds.ts';
import { asViewOfOne, memberCuts } from './memberCuts.ts';
import type { ArchiveSettings } from './options.ts';

/**
 * Opens archives to their members, which are detected and taken apart like records of their own; office documents and EPUB
 * books to their text, or to their parts as views of one document. A compressed tar archive is one archive.
 *
 * @throws Failure `UNDECODED`, `DAMAGED_FILE`, `EXPANSION_LIMIT`, `DECODED_TOO_LARGE`, `EMPTY_DOCUMENT`
 */
export const cutArchive: Cutter<ArchiveSettings> = async (input, settings, context) => {
  const kind = documentKind(input.mediaType);
  if (kind !== undefined && settings.documents !== 'members') {
    const { documentCuts } = await import('./documents/cut.ts');
    return documentCuts(input, kind, settings, context);
  }
  const cuts = await memberCuts(input, settings, context);
  return kind === undefined ? cuts : cuts.map(asViewOfOne);
};
