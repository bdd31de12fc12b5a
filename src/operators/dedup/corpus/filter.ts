import path from 'node:path';
import { Observable, type OperatorFunction } from 'rxjs';
import { PipelineError } from '../../../errors.ts';
import { mapAsync, transduce } from '../../../flow/index.ts';
import type { Document, Segment } from '../../../records.ts';
import { currentRun, type SplitOutput } from '../../../run/context.ts';
import { sharedPool, workerModule } from '../../../run/pool.ts';
import { type Unit, units } from '../../units.ts';
import { type Duplicate, DuplicatesFile } from '../duplicatesFile.ts';
import type { DedupOptions, DedupSettings } from '../settings.ts';
import type { Found, LookupTask } from './lookupWorker.ts';
import type { CorpusOptions } from './options.ts';

const lookupModule = workerModule(import.meta.url, './lookupWorker');

/** Units that are looked up at once. */
const BATCH = { items: 256, bytes: 1 << 20 };

interface Batch<T> {
  readonly first: number;
  readonly units: readonly Unit<T>[];
  readonly last: boolean;
}

interface Looked<T> {
  readonly kept: readonly Unit<T>[];
  readonly duplicates: readonly Duplicate[];
}

/** The run proper of a corpus: what its stages found out decides which documents pass. */
export function corpusFilter<T extends Document | Segment>(
  options: CorpusOptions,
  { window: _, ...settings }: DedupSettings,
  onDuplicate: DedupOptions['onDuplicate'],
): OperatorFunction<T, T> {
  const { index, keepIndex, files } = options;
  // one after the other, whichever order they were given in
  const into = files && [files.duplicates, files.clusters, files.report];
  const decisive = { ...settings, index, keepIndex, into };
  return (source) =>
    new Observable<T>((out) => {
      const { output, rehearsal } = currentRun() ?? {};
      // a plan only looks at what passes, and knows of no duplicates yet
      if (output === undefined && rehearsal) return source.subscribe(out);
      const listener = rehearsal ? undefined : onDuplicate;
      const { against } = options;
      const file = output && new DuplicatesFile(output, options.dir, options.files !== undefined);
      const counts = { kept: 0, duplicates_exact: 0 };
      output?.beforeCommit(async () => ({ documents_kept: counts.kept, duplicates_exact: counts.duplicates_exact }));
      return source
        .pipe(
          units(),
          batches(),
          mapAsync((batch: Batch<T>) => look(batch, output, options.index), {
            name: 'dedup',
            concurrency: 2,
            room: { items: 4, bytes: 8 << 20 },
            least: BATCH.bytes,
            sizeOf: bytesIn,
            holds: 2 * BATCH.bytes,
            options: decisive,
            identify: async () => (against === undefined ? null : { against: against.identify() }),
          }),
          mapAsync(
            async ({ kept, duplicates }: Looked<T>) => {
              for (const duplicate of duplicates) {
                await file?.write(duplicate);
                await listener?.(duplicate);
                if (duplicate.kind === 'exact') counts.duplicates_exact++;
              }
              counts.kept += kept.length;
              return kept;
            },
            { name: 'dedup.write', room: { items: 2 }, weight: 0 },
          ),
          transduce(() => ({ next: (kept: readonly Unit<T>[]) => kept.flatMap(({ values }) => values) })),
        )
        .subscribe(out);
    });
}

function bytesIn({ units: list }: Batch<unknown>): number {
  return list.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Units that follow each other; the last batch says so, and may be empty. */
function batches<T>(): OperatorFunction<Unit<T>, Batch<T>> {
  return transduce<Unit<T>, Batch<T>>(() => {
    let open: Unit<T>[] = [];
    let bytes = 0;
    let first = 0;
    const cut = (last: boolean): Batch<T> => {
      const batch = { first, units: open, last };
      first += open.length;
      open = [];
      bytes = 0;
      return batch;
    };
    return {
      next(unit) {
        open.push(unit);
        // ids may be as long as documents
        bytes += unit.bytes + unit.id.length;
        return open.length >= BATCH.items || bytes >= BATCH.bytes ? [cut(false)] : undefined;
      },
      flush: () => [cut(true)],
    };
  });
}

async function look<T>(batch: Batch<T>, output: SplitOutput | undefined, index: string): Promise<Looked<T>> {
  const { first, last, units: list } = batch;
  if (output === undefined) {
    if (list.length === 0) return { kept: [], duplicates: [] };
    throw new PipelineError('a corpus is deduplicated by a run, in several passes', {
      code: 'NEEDS_RUN',
      hint: "give dedup to .pipe of a pipeline by itself; in a flow of your own, use { scope: 'split' }",
    });
  }
  const task: LookupTask = {
    folder: path.join(output.root, index),
    split: output.split.id,
    first,
    ids: list.map(({ id }) => id),
    last,
  };
  const found = await sharedPool().run<(Found | undefined)[]>(lookupModule, task);
  return {
    kept: list.filter((_, i) => found[i] === undefined),
    duplicates: list.flatMap((unit, i) => duplicateOf(unit, found[i])),
  };
}

function duplicateOf(unit: Unit<unknown>, found: Found | undefined): Duplicate[] {
  if (found === undefined) return [];
  const { duplicate_of, similarity, cluster, exact } = found;
  const { uri, position } = unit.source;
  return [{ id: unit.id, duplicate_of, similarity, cluster, kind: exact ? 'exact' : 'near', uri, position }];
}
