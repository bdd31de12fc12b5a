import type { Table } from '../columns.ts';
import { Failure } from '../failure.ts';
import type { Piece } from '../file-source.ts';
import type { OpenFile } from '../open-file.ts';
import type { PlanContext } from '../source.ts';
import { type Selection, selectFields, wantedOf, wantedOfDictionary } from './batches.ts';
import { wantedBytes } from './buffers.ts';
import { ArrowFile, type ArrowLayout, type PlacedMessage } from './file.ts';
import { arrowTable } from './schema.ts';

export interface ArrowConfig {
  readonly table: Table;
  readonly maxBatchBytes: number;
}

/** A batch as it is planned: where it lies, and what reading it takes. */
interface Batch {
  readonly start: number;
  readonly end: number;
  readonly rows: number;
  readonly stored: number;
  readonly held: number;
}

/** Messages of a file with the offsets at which they begin; of one that breaks off, those before. */
async function* messagesOf(
  file: OpenFile,
  arrow: ArrowFile,
  layout: ArrowLayout,
): AsyncGenerator<{ start: number; placed: PlacedMessage }> {
  if (layout.kind === 'file') {
    for (const { offset } of layout.footer.dictionaries) {
      const placed = await arrow.message(file, offset);
      if (placed !== undefined) yield { start: offset, placed };
    }
    for (const { offset } of layout.footer.batches) {
      const placed = await arrow.message(file, offset);
      if (placed?.message.kind !== 'batch') throw new Failure('CORRUPT_ARROW', `there is no batch at byte ${offset}`);
      yield { start: offset, placed };
    }
    return;
  }
  for (let start = layout.first; ; ) {
    const placed = await arrow.message(file, start);
    if (placed === undefined) return;
    yield { start, placed };
    start = placed.end;
  }
}

async function batchesOf(
  file: OpenFile,
  arrow: ArrowFile,
  layout: ArrowLayout,
  selection: Selection,
  { config, signal }: { config: ArrowConfig; signal: AbortSignal | undefined },
): Promise<{ batches: Batch[]; whole: boolean }> {
  const batches: Batch[] = [];
  let whole = false;
  let kept = 0;
  try {
    for await (const { start, placed } of messagesOf(file, arrow, layout)) {
      signal?.throwIfAborted();
      const { message, body, end } = placed;
      const dictionary = wantedOfDictionary(layout.schema, selection, placed);
      if (dictionary !== undefined) {
        const { stored, unpacked } = await wantedBytes(file, dictionary);
        kept += Math.max(stored, unpacked);
        // Whoever begins behind a dictionary of a stream would not know it.
        if (layout.kind === 'stream') whole = true;
      }
      if (message.kind !== 'batch') continue;
      const { stored, unpacked } = await wantedBytes(file, wantedOf(layout.schema, selection, message.batch, body));
      if (Math.max(stored, unpacked) > config.maxBatchBytes) {
        throw new Failure(
          'BATCH_TOO_LARGE',
          `batch ${batches.length} of '${file.uri}' holds ${Math.max(stored, unpacked)} bytes, more than ${config.maxBatchBytes}`,
          'Set maxBatchBytes higher if there is memory for it, or write the file with smaller batches.',
        );
      }
      batches.push({ start, end, rows: message.batch.rows, stored, held: kept + stored + unpacked });
    }
  } catch (error) {
    // What lies before damage can be read, and whoever reads it says what follows.
    if (!(error instanceof Failure) || batches.length === 0 || error.code === 'BATCH_TOO_LARGE') throw error;
  }
  return { batches, whole };
}

/**
 * Runs of record batches, each about `splitBytes` of needed columns.
 *
 * @throws Failure as `ArrowFile`, `MISSING_COLUMN`, `WRONG_TYPE`, `NO_ROWS`, `BATCH_TOO_LARGE`
 */
export async function arrowPieces(file: OpenFile, config: ArrowConfig, context: PlanContext): Promise<Piece[]> {
  const { uri, size } = file;
  const arrow = await ArrowFile.of(file);
  const layout = await arrow.layout();
  const { text, columns } = arrowTable(config.table, layout.schema, uri);
  if (layout.kind === 'stream' && file.local === undefined) {
    // To look at every message would take a request for each.
    return [{ bytes: size, range: { start: 0, end: size, row: 0, held: Math.min(2 * size, config.maxBatchBytes) } }];
  }
  const selection = selectFields(
    layout.schema,
    [text, ...columns].map(({ field }) => field),
  );
  const { batches, whole } = await batchesOf(file, arrow, layout, selection, { config, signal: context.signal });
  if (batches.every(({ rows }) => rows === 0)) throw new Failure('NO_ROWS', `'${uri}' has no rows`);
  const pieces: Piece[] = [];
  let [first, row, bytes, held, rows] = [0, 0, 0, 0, 0];
  const close = (last: number): void => {
    const [start, behind] = [first === 0 ? 0 : batches[first]?.start, batches[last]?.start];
    const end = last === batches.length ? size : (behind ?? size);
    const common = { start: start ?? 0, end, row, held };
    pieces.push({ bytes, range: layout.kind === 'file' ? { ...common, first, last } : common });
    [first, row, bytes, held] = [last, rows, 0, 0];
  };
  for (const [index, batch] of batches.entries()) {
    if (!whole && bytes > 0 && bytes + batch.stored > context.splitBytes) close(index);
    bytes += batch.stored;
    held = Math.max(held, batch.held);
    rows += batch.rows;
  }
  close(batches.length);
  return pieces;
}
