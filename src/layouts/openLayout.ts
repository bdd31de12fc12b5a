import { stat } from 'node:fs/promises';
import path from 'node:path';
import { openLocal } from '../sources/open-file.ts';
import { isTar } from '../sources/tar.ts';
import { found } from '../sources/walk.ts';
import { olderDocuments } from './beside.ts';
import { openByteFile } from './byteFile.ts';
import { openCorpusDb } from './corpusDb.ts';
import type { LayoutDocument } from './document.ts';
import type { LayoutFormat } from './layout.ts';
import { openShard } from './openShard.ts';
import { layoutOf, type TableOptions, tableOf } from './openTable.ts';
import { Tensors } from './tensors.ts';
import { type SampleLimits, sampleDocument, samples } from './webdataset.ts';

export interface LayoutCounts {
  readonly documents: number;
  readonly patches: number;
  readonly bytes: number;
}

export interface LayoutOptions extends TableOptions, SampleLimits {}

/** A file of patches, whatever wrote it. */
export interface Layout {
  readonly path: string;
  readonly format: LayoutFormat | 'webdataset' | 'corpus-db';
  /** Adds up all documents; an archive is read through for it. */
  count(): Promise<LayoutCounts>;
  /**
   * Documents in order; the rows of each are read with `document.table.rows({ from, to, byteFrom })`, before the next
   * document is asked for.
   */
  documents(): AsyncGenerator<LayoutDocument, void, undefined>;
  close(): Promise<void>;
}

/**
 * Opens a file of patches: a safetensors file of any layout in `docs/layouts.md` with the sidecar beside it, a WebDataset
 * archive of such files, or a corpus database. Only headers and lengths are read until rows are asked for.
 *
 *     const layout = await openLayout('old/item_7.safetensors');
 *     for await (const { id, table } of layout.documents())
 *       for await (const { lengths, embeddings } of table.rows()) consume(id, lengths, embeddings);
 *     await layout.close();
 *
 * @throws SluiceError `UNREADABLE`, `UNKNOWN_LAYOUT`, `SAFETENSORS_*`, `WRONG_TENSOR`, `MISSING_TENSOR`, `COUNT_MISMATCH`,
 *   `PATCH_PAST_BYTES`, `HEADER_LIES`, `BAD_VALUE`, `BAD_SIDECAR`, `BAD_CORPUS`; those of archives while they are read
 */
export async function openLayout(file: string, options: LayoutOptions = {}): Promise<Layout> {
  if (isTar(file))
    return counted(
      file,
      'webdataset',
      () => archiveDocuments(file, options),
      async () => {},
    );
  if (/\.(db|sqlite|sqlite3)$/i.test(file)) {
    const corpus = await openCorpusDb(file);
    return counted(
      file,
      'corpus-db',
      async function* () {
        yield* corpus.documents();
      },
      async () => corpus.close(),
    );
  }
  const bytes = await openByteFile(file);
  try {
    const tensors = await Tensors.open(bytes);
    if (layoutOf(tensors) === 'sluice') {
      const shard = await openShard(tensors, file, options);
      return counted(
        file,
        'sluice',
        () => shard.documents(),
        () => shard.close(),
      );
    }
    const table = await tableOf(tensors, options, { near: file });
    const documents = () => olderDocuments(table, path.basename(file), file);
    return counted(file, table.format, documents, () => bytes.close());
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

function counted(
  file: string,
  format: Layout['format'],
  documents: Layout['documents'],
  close: Layout['close'],
): Layout {
  return {
    path: file,
    format,
    documents,
    close,
    async count() {
      const counts = { documents: 0, patches: 0, bytes: 0 };
      for await (const { part, patches, bytes } of documents()) {
        // a document is counted in the file that it begins in
        if (part === 0) counts.documents++;
        counts.patches += patches;
        counts.bytes += bytes;
      }
      return counts;
    },
  };
}

/** Documents of an archive; whatever is wrong with it ends the reading. */
async function* archiveDocuments(
  file: string,
  options: LayoutOptions,
): AsyncGenerator<LayoutDocument, void, undefined> {
  const open = await openLocal(found(file, path.basename(file), await stat(file)));
  let ordinal = 0;
  const reading = {
    split: '',
    signal: new AbortController().signal,
    ordinal: () => ordinal++,
    passOver() {},
    reject(error: Error) {
      throw error;
    },
  };
  try {
    for await (const sample of samples(open, reading, options)) yield await sampleDocument(sample, options, file);
  } finally {
    await open.close();
  }
}
