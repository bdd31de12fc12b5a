import { defer, finalize, type OperatorFunction } from 'rxjs';
import { RecordError } from '../errors.ts';
import { mapAsync, transduce } from '../flow/index.ts';
import type { Document } from '../records.ts';
import { archivesHold } from '../references/archiveShelves.ts';
import { LISTINGS_HOLD } from '../references/datasetIndex.ts';
import { ANSWERS_HOLD, References } from '../references/references.ts';
import { Shared } from '../references/shared.ts';
import { Shelves } from '../references/shelves.ts';
import { currentRun, rejectOrThrow } from '../run/context.ts';
import { type AttachOptions, attachSettings } from './attach/settings.ts';
import { documentOf, type Found, findViews, rejected, rowBytes, type View } from './attach/views.ts';

export type { ArchiveRule } from '../references/rules.ts';
export type { AttachOptions } from './attach/settings.ts';

const STAGE = 'attach';

/** Files that are kept in memory for rows that point to the same. */
const KEPT = { max: 1024, maxBytes: 16 << 20, sizeOf: ({ length }: Uint8Array) => length };

interface Made {
  readonly document: Document;
  /** 1 of a file, 0 of a row. */
  readonly files: number;
}

/**
 * Makes documents of the files that rows hold or point to. For each row comes its own document first, then one for each file,
 * by column and place: its bytes, `id` = `<row>#<column>/<i>`, `record` = the row's id (the row's own document has it too),
 * `source.uri` = where it lies, `position` = the row's, `meta` = `{ column, index, reference }`. Of the row's own columns
 * only the paths remain.
 *
 * References are paths relative to the source's folder or dataset, `hf://datasets/owner/name[@revision]/path`, `https://`, `s3://`,
 * `data:` in base64, bytes, structs of bytes and path, and lists of all these. Rules tell in which archives they are
 * kept; an archive is read once. What several rows point to is fetched once. Order and content do not depend on how
 * long anything takes. docs/references.md says what is looked for where.
 *
 *     parquet('rows.parquet', { columns: { text: 'string', image: 'file?' } }).read(split).pipe(attach({ columns: ['image'] }))
 *     attach({ columns: ['image'], archives: [{ prefix: 'images/', archives: 'hf://datasets/owner/raw/images_{1..11}.tar.gz' }] })
 *
 * A file that cannot be had is rejected (`MISSING_REFERENCE`, `UNSAFE_REFERENCE`, `HOST_NOT_ALLOWED`, `REFERENCE_TOO_LARGE`, ...: see
 * docs/rejects.md), never made up; thrown where no run is listening. A Hub or a store that fails stops the run with a SourceError.
 *
 * @throws PipelineError `BAD_OPTION`, `BAD_RULE`, at once
 */
export function attach(options: AttachOptions): OperatorFunction<Document, Document> {
  const settings = attachSettings(options);
  const { columns, concurrency, maxBytes, base, pinned } = settings;
  const shelves = new Shelves({ ...settings, cache: options.cache, remote: options.remote });
  const references = new References(settings, shelves);
  const kept = new Shared<Uint8Array>(KEPT);
  const bytesOf = ({ row, file }: View, signal: AbortSignal): Promise<Uint8Array> | Uint8Array => {
    if (file === undefined) return row.bytes;
    const { located } = file;
    return located.key === undefined
      ? located.read(signal)
      : kept.get(located.key, signal, (during) => located.read(during));
  };
  async function made(view: View, signal: AbortSignal): Promise<Made | RecordError> {
    try {
      const document = documentOf(view, await bytesOf(view, signal), columns);
      return { document, files: view.file === undefined ? 0 : 1 };
    } catch (error) {
      return rejected(view.row, view.file?.cell.column ?? '', error, view.file?.cell);
    }
  }
  const room = { items: 4 * concurrency, bytes: 2 * maxBytes };
  return (source) =>
    defer(() => {
      const run = currentRun();
      const leave = shelves.use();
      let attached = 0;
      run?.output?.beforeCommit(async () => ({ attached }));
      return source.pipe(
        mapAsync((row: Document, signal) => findViews(row, references, settings, signal), {
          name: STAGE,
          concurrency,
          room,
          sizeOf: (row) => rowBytes(row, columns),
          least: maxBytes,
          holds: ANSWERS_HOLD + LISTINGS_HOLD + archivesHold(settings.archives),
          options: settings.json,
          identify: () => shelves.identify(pinned, base, new AbortController().signal),
        }),
        transduce(() => ({
          // Here and not above: rejects come in the order of the rows.
          next({ views, rejects }: Found): Iterable<View> {
            for (const error of rejects) rejectOrThrow(run, STAGE, error);
            return views;
          },
        })),
        mapAsync(made, {
          name: `${STAGE}.read`,
          concurrency,
          room,
          sizeOf: ({ row, file }) => file?.located.size ?? row.bytes.length,
          least: maxBytes,
          holds: KEPT.maxBytes,
        }),
        transduce(() => ({
          next(outcome: Made | RecordError): Iterable<Document> {
            if (outcome instanceof RecordError) {
              rejectOrThrow(run, STAGE, outcome);
              return [];
            }
            attached += outcome.files;
            return [outcome.document];
          },
        })),
        finalize(leave),
      );
    });
}
