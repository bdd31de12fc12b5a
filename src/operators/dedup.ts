import { defer, type OperatorFunction } from 'rxjs';
import { mapAsync, transduce } from '../flow/index.ts';
import type { Document, Segment } from '../records.ts';
import { currentRun } from '../run/context.ts';
import { type PlanFacts, withTraits } from '../run/stages.ts';
import { corpusFilter } from './dedup/corpus/filter.ts';
import { corpusOptions } from './dedup/corpus/options.ts';
import { corpusPreparation } from './dedup/corpus/stages.ts';
import { type Decided, decided } from './dedup/decided.ts';
import { type Duplicate, DuplicatesFile, WRITE_BYTES } from './dedup/duplicatesFile.ts';
import { dedupNotes } from './dedup/notes.ts';
import { sampleSimilarities } from './dedup/sampleSimilarities.ts';
import { type DedupOptions, type DedupSettings, dedupSettings } from './dedup/settings.ts';
import { signed } from './dedup/signed.ts';
import { units } from './units.ts';

export type { Duplicate } from './dedup/duplicatesFile.ts';
export type { DedupOptions } from './dedup/settings.ts';

const ROOM = { items: 4, bytes: 4 << 20 };

/**
 * Drops documents that are like one that came before, within the latest ones of the same split or in the whole corpus: those
 * with the same bytes, and, unless told otherwise, those whose sets of shingles are at least `threshold` alike (Jaccard).
 * Of a cluster the first in the order of the source is kept. Takes documents, or segments: all segments of a document are
 * one, and go or stay together.
 *
 * Alike documents are found by MinHash: signatures of 100 components, cut into 20 bands of 5 rows, of which a pair must
 * share one; `sluice plan` prints how likely that is. What is found is verified before it is dropped, so a pair of unlike
 * documents is dropped about never, and an alike one may be missed. A document like an earlier one is dropped whatever
 * became of that one. Documents shorter than a shingle are nobody's duplicate, not even where they are equal; with
 * `near: false` that holds for empty ones alone.
 *
 * The window holds 100,000 documents, some 50 MB; see {@link DedupOptions}. A document that has left it is forgotten: the
 * next one like it is kept.
 *
 * With `scope: 'corpus'` the splits of a run are compared with each other: what stands before is run once more, beforehand,
 * for signatures; stages of tasks find pairs that share a band, verify them, and join them into clusters; then documents
 * pass or not. docs/dedup.md says how, and what it takes. It can only stand in `.pipe` of a pipeline by itself.
 *
 * In a run, dropped documents are listed in `duplicates/<split>.jsonl`, a {@link Duplicate} a line, and counted in the
 * commit; elsewhere `onDuplicate` hears of them. The result is the same for any number of workers.
 *
 *     documents.pipe(dedup({ threshold: 0.8 }))
 *     definePipeline('clean', files('data')).pipe(dedup({ scope: 'corpus' })).to(jsonl('kept'))
 *     documents.pipe(dedup({ near: false, onDuplicate: ({ id, duplicate_of }) => log(id, duplicate_of) }))
 *
 * @throws PipelineError `BAD_THRESHOLD`, `BAD_BANDS`, `BAD_COMPONENTS`, `BAD_SHINGLE`, `BAD_WINDOW`, `BAD_FOLDER`,
 *   `BAD_OPTION`, at once
 */
export function dedup<T extends Document | Segment>(options: DedupOptions = {}): OperatorFunction<T, T> {
  const settings = dedupSettings(options);
  const notes = async (facts: PlanFacts): Promise<string[]> => {
    const { near, shingle, threshold } = settings;
    if (!near) return dedupNotes(settings, undefined);
    const { count, values } = await facts.sample();
    return dedupNotes(settings, count, sampleSimilarities(values, shingle, threshold));
  };
  if (settings.scope === 'split') return withTraits(withinSplit<T>(settings, options.onDuplicate), { notes });
  const corpus = corpusOptions(settings, options.corpus);
  const filter = corpusFilter<T>(corpus, settings, options.onDuplicate);
  return withTraits(filter, { preparation: corpusPreparation(corpus), notes });
}

function withinSplit<T extends Document | Segment>(
  settings: DedupSettings,
  onDuplicate: DedupOptions['onDuplicate'],
): OperatorFunction<T, T> {
  return (source) =>
    defer(() => {
      const { output, rehearsal } = currentRun() ?? {};
      const file = output === undefined ? undefined : new DuplicatesFile(output, settings.dir);
      const listener = rehearsal ? undefined : onDuplicate;
      const tell = async ({ kept, duplicates }: Decided<T>): Promise<readonly T[]> => {
        for (const duplicate of duplicates) {
          await file?.write(duplicate);
          await listener?.(duplicate);
        }
        return kept;
      };
      const hasListener = file !== undefined || listener !== undefined;
      return source.pipe(
        units<T>(),
        signed<T>(settings),
        decided<T>(settings),
        mapAsync((some: Decided<T>) => (some.duplicates.length > 0 && hasListener ? tell(some) : some.kept), {
          name: 'dedup.duplicates',
          room: ROOM,
          sizeOf: ({ bytes }) => bytes,
          least: 1 << 20,
          holds: WRITE_BYTES,
        }),
        transduce(() => ({ next: (kept: readonly T[]) => kept })),
      );
    });
}
