import { PipelineError } from '../errors.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Document } from '../records.ts';
import { fileSource } from './file-source.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import { MAX_DOCUMENT_BYTES } from './parts.ts';
import { type FileMeta, plainFormat } from './plain.ts';
import type { Source } from './source.ts';

export interface FolderOptions extends ListOptions {
  /**
   * Bytes of a document at most, 64 or more; a larger file is cut into parts behind a line end, or else a character.
   * Default: 16 MiB.
   */
  readonly maxDocumentBytes?: number | undefined;
}

/** @throws PipelineError `BAD_LIMIT` */
export function checkedLimit(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new PipelineError(`${name} is ${value}; it must be a whole number of at least ${least}`, {
      code: 'BAD_LIMIT',
    });
  }
  return value;
}

/**
 * Every file of a folder as one document, in the byte order of relative paths. Small files share a split.
 *
 * `id` and `uri` are the relative path with `/`; a part of a cut file is `<path>#<part>` with `position.part` and the
 * offset of its first byte in `position.byte`. An empty file is an empty document.
 *
 *     folder('samples', { include: '*.txt' })
 *
 * @throws SourceError at plan time: `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`; while reading: `INPUT_CHANGED`.
 */
export function folder(path: Inputs, options: FolderOptions = {}): Source<Document<FileMeta>> {
  requireOptions('folder', options, { ...LIST_OPTIONS, maxDocumentBytes: true });
  const maxDocumentBytes = checkedLimit('maxDocumentBytes', options.maxDocumentBytes ?? MAX_DOCUMENT_BYTES, 64);
  const plain = plainFormat(maxDocumentBytes);
  return fileSource({
    kind: 'folder',
    inputs: path,
    list: options,
    options: { maxDocumentBytes },
    formats: [plain],
    formatOf: () => plain,
    otherwise: plain,
  });
}

/** The files that a pattern such as `data/**\/*.txt` matches, as `folder` reads them. */
export function glob(pattern: Inputs, options: Omit<FolderOptions, 'include'> = {}): Source<Document<FileMeta>> {
  const { include: _, ...names } = LIST_OPTIONS;
  requireOptions('glob', options, { ...names, maxDocumentBytes: true });
  return folder(pattern, options);
}
