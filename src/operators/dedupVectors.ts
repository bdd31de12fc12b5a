import { defer, type Observable, type OperatorFunction } from 'rxjs';
import { mapAsync, transduce } from '../flow/index.ts';
import { agreementOf } from '../lsh/projections.ts';
import { candidateProbability } from '../lsh/sCurve.ts';
import type { Meta, Patches } from '../records.ts';
import { currentRun } from '../run/context.ts';
import { withTraits } from '../run/stages.ts';
import { type Duplicate, DuplicatesFile, WRITE_BYTES } from './dedup/duplicatesFile.ts';
import { percent } from './dedup/notes.ts';
import { Judge, type Judged } from './dedupVectors/judge.ts';
import { type DedupVectorsOptions, type DedupVectorsSettings, dedupVectorsSettings } from './dedupVectors/settings.ts';

export type { DedupVectorsOptions } from './dedupVectors/settings.ts';

const NAME = 'dedupVectors';
/** Hyperplanes and covariance of states of up to 1,024 numbers. */
const TABLE_BYTES = 24 << 20;

/**
 * Drops documents that are to the model nearly what one before them was: the mean of their states (the embeddings of their
 * patches, weighed by length, over the first `headBytes`) is alike. The first one is kept. What is dropped becomes a line of
 * `<dir>/<split>.jsonl`, or a call of `onDuplicate`. It depends on the documents of the split and their order alone.
 *
 * Candidates come from signed random projections, in bands, and are verified by their vectors. A language model's mean
 * states all but share one direction, whatever the text: they are compared in a space that is whitened by the documents
 * of the split: made when 64 have come, which wait for that, and anew when there are twice as many, up to 4,096.
 * docs/dedup.md has what it finds on labelled texts, and what it does not.
 *
 * Holds the window and the documents that are not judged yet; both are bounded. A document whose beginning is kept
 * streams through from there on.
 *
 *     segments.pipe(embed(), patch(), dedupVectors({ threshold: 0.85 }))
 *
 * @throws PipelineError `BAD_THRESHOLD`, `BAD_COMPONENTS`, `BAD_BANDS`, `BAD_OPTION` or `BAD_FOLDER`; into the flow
 *   `BAD_WINDOW` where two documents have no room, `NO_EMBEDDINGS` for patches without, `BAD_VECTOR` for states that
 *   are not finite
 */
export function dedupVectors<M extends Meta = Meta>(
  options: DedupVectorsOptions = {},
): OperatorFunction<Patches<M>, Patches<M>> {
  const settings = dedupVectorsSettings(options);
  const { window, holdBytes, dir } = settings;
  const { onDuplicate } = options;
  const judged = (source: Observable<Patches<M>>): Observable<Patches<M>> =>
    defer(() => {
      const { output, rehearsal } = currentRun() ?? {};
      const listener = rehearsal ? undefined : onDuplicate;
      const file = output === undefined ? undefined : new DuplicatesFile(output, dir);
      const tell = async (duplicate: Duplicate): Promise<undefined> => {
        await file?.write(duplicate);
        await listener?.(duplicate);
      };
      return source.pipe(
        transduce<Patches<M>, Judged<M>>(() => new Judge(settings), {
          name: NAME,
          holds: window.bytes + holdBytes + TABLE_BYTES,
          options: settings,
        }),
        mapAsync((judged: Judged<M>) => ('patches' in judged ? judged.patches : tell(judged.duplicate)), {
          name: `${NAME}.duplicates`,
          holds: WRITE_BYTES,
        }),
        transduce(() => ({ next: (patches: Patches<M> | undefined) => patches && [patches] })),
      );
    });
  return withTraits(judged, { notes: async () => notesOf(settings) });
}

function notesOf({ space, threshold, bits, banding, verify }: DedupVectorsSettings): string[] {
  const found = [0.5, 0.8, threshold].map(
    (cosine) => `${cosine}: ${percent(candidateProbability(agreementOf(cosine), banding))}`,
  );
  return [
    `${NAME}: ${banding.bands} bands of ${banding.rows} bits out of ${bits}, ${space} vectors; verified by ${verify} at ${threshold}`,
    `${NAME}: chance to be a candidate by cosine: ${found.join(', ')}`,
  ];
}
