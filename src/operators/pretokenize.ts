import { defer, type OperatorFunction } from 'rxjs';
import type { Decoded } from '../decoders/decoderProcess.ts';
import { type Limits, settledLimits } from '../decoders/limits.ts';
import { sharedDecoders } from '../decoders/sharedDecoders.ts';
import { RecordError } from '../errors.ts';
import { mapAsync, transduce } from '../flow/index.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Document, Meta, Segment } from '../records.ts';
import { currentRun, type MediaSettings, rejectOrThrow } from '../run/context.ts';
import { workerModule } from '../run/pool.ts';
import { requireValues } from '../run/valueKinds.ts';
import { Failure } from '../sources/failure.ts';
import type { RecordFacts } from './pretokenize/cut.ts';
import { decoderVersions } from './pretokenize/decoderVersions.ts';
import { detectText, type Found } from './pretokenize/detect.ts';
import { HeldResults, type Turn } from './pretokenize/heldResults.ts';
import { segmentsOf } from './pretokenize/segments.ts';
import { OPTIONS, type PretokenizeOptions, type Settings, settled } from './pretokenize/settings.ts';
import { isPlainText } from './pretokenize/text/options.ts';
import { plainTextView } from './pretokenize/text/plainText.ts';
import { identityOf } from './pretokenize/text/units/options.ts';
import { ffmpegFor, withMedia } from './pretokenize/video/findFfmpeg.ts';
import { type Cut, isRefused, type Refused } from './pretokenize/view.ts';

export type { PretokenizeOptions } from './pretokenize/settings.ts';

const STAGE = 'pretokenize';
const MODULE = workerModule(import.meta.url, './pretokenize/cutWorker');
/** Bytes of a rejected record that are kept beside the reason. */
const MAX_PAYLOAD = 64 << 10;
const ROOM_ITEMS = 64;
/** Bytes of results that wait for earlier ones; those beyond wait in the processes that made them. */
const HELD_BYTES = 32 << 20;

/** What a document has become. */
interface Outcome<M extends Meta> {
  readonly document: Document<M>;
  readonly cuts: readonly Cut[];
  readonly turn?: Turn | undefined;
}

/**
 * Cuts documents into typed segments, whatever they are: text, code, pictures, sound, video, PDF, programs, and archives with
 * all of these in them. What a document is, its content tells; the name where content cannot.
 *
 * Segments are the document's own bytes, in ranges that tile it; or they are derived (pixels, samples, text of pages), and
 * then say how, by which decoder, and from which range. A document may become several: the views of a PDF, the members of
 * an archive; each is a document of its own, named after the one it comes from.
 *
 * Everything but plain text is taken apart in processes of its own, within limits of time, memory and size: what hangs or
 * crashes a decoder is one rejected record. `meta.charset` names the charset of text, `meta.confidence` (0 to 1) is there where
 * something was guessed, `meta.language` where it is code. docs/modalities.md has the segments, labels and facts of every
 * modality.
 *
 *     folder('samples').read(split).pipe(pretokenize({ image: { stride: 8 }, pdf: { mode: 'multiview' } }))
 *
 * Rejects what cannot be taken apart (docs/rejects.md); throws it where no run is listening.
 *
 * @throws PipelineError `BAD_LIMIT`, `BAD_OPTION`, `UNKNOWN_CHARSET`; the flow fails with `WRONG_VALUES` where values are no
 *   documents
 */
export function pretokenize<M extends Meta = Meta>(
  options: PretokenizeOptions = {},
): OperatorFunction<Document<M>, Segment<M>> {
  requireOptions(STAGE, options, OPTIONS);
  const given = settled(options);
  const asked = settledLimits(options.limits);
  return (source) =>
    defer(() => {
      const run = currentRun();
      const settings = withMedia(given, run?.media);
      const processes = Math.min(asked.processes, run?.processes ?? asked.processes);
      const limits = { ...asked, processes };
      const held = new HeldResults(HELD_BYTES);
      const checked = (document: Document<M>, signal: AbortSignal) => {
        requireValues(STAGE, ['documents'], document);
        return cutOf(document, { settings, limits, held, media: run?.media }, signal);
      };
      // documents read and these are documents written, rejects and duplicates
      let views = 0;
      run?.output?.beforeCommit(async () => (views === 0 ? {} : { views }));
      return source.pipe(
        mapAsync(checked, {
          name: STAGE,
          concurrency: Math.max(2, limits.processes),
          room: { items: ROOM_ITEMS, bytes: 2 * settings.maxSegmentBytes },
          sizeOf: (document) => document.bytes.length,
          holds: HELD_BYTES + limits.decodedBytes,
          processes: { most: asked.processes, bytes: limits.memoryBytes },
          options: { ...identity(settings), limits: decisive(limits) },
          identify: async () => ({
            ffmpeg: (await ffmpegFor(settings, run?.media))?.version ?? null,
            packages: decoderVersions(settings),
          }),
        }),
        transduce(() => ({
          // Here and not above: rejects come in the order of the documents.
          *next({ document, cuts, turn }: Outcome<M>): Generator<Segment<M>> {
            views += cuts.length - 1;
            run?.cut?.(document.bytes.length, segmentBytes(cuts));
            for (const cut of cuts) {
              if (isRefused(cut)) {
                const whole = cut.suffix === '' && document.bytes.length <= MAX_PAYLOAD;
                rejectOrThrow(run, STAGE, rejection(document, cut), whole ? document.bytes : undefined);
                continue;
              }
              yield* segmentsOf(document, cut);
            }
            turn?.end();
          },
        })),
      );
    });
}

/** Bytes of everything that a document has become, far more than its own where it was compressed. */
const segmentBytes = (cuts: readonly Cut[]): number =>
  cuts.reduce((sum, cut) => sum + (isRefused(cut) ? 0 : (cut.segments.ends.at(-1) ?? 0)), 0);

/** Settings as they decide what is cut: files by what they hold. */
const identity = ({ modalities, ...settings }: Settings) => ({
  ...settings,
  modalities: { ...modalities, text: { ...modalities.text, units: identityOf(modalities.text.units) } },
});

/** Limits that decide what is rejected whatever the machine; how many processes there are changes nothing. */
const decisive = ({ processes: _, ...limits }: Limits) => limits;

function rejection({ source }: Document, { code, message, hint, member }: Refused): RecordError {
  const { uri, position } = source;
  if (member === undefined) return new RecordError(message, { code, path: uri, position, hint });
  return new RecordError(message, { code, path: `${uri}!/${member}`, position: { ...position, member }, hint });
}

interface How {
  readonly settings: Settings;
  readonly limits: Limits;
  readonly held: HeldResults;
  readonly media: MediaSettings | undefined;
}

const refused = ({ code, message, hint }: Failure): readonly Cut[] => [{ suffix: '', code, message, hint }];

/** What one document is cut into; at once where it is plain text. */
function cutOf<M extends Meta>(document: Document<M>, how: How, signal: AbortSignal): Outcome<M> | Promise<Outcome<M>> {
  const { bytes, source, modality } = document;
  const { settings } = how;
  try {
    if (bytes.length === 0) throw new Failure('EMPTY_DOCUMENT', `'${document.id}' has no text`);
    const found = detectText(bytes, source.uri, { ...settings.detection, stated: modality });
    if (found !== undefined && isPlain(found, settings)) {
      return { document, cuts: [plainTextView(bytes, found, settings)] };
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { document, cuts: refused(error) };
  }
  return cutElsewhere(document, how, signal);
}

/** Whether bytes are text of which nothing but pieces of its own bytes is wanted, or only another charset. */
function isPlain({ modality, mediaType }: Found, { modalities }: Settings): boolean {
  return (
    (modality === 'text' || (modality === 'code' && modalities.code === false)) &&
    isPlainText(modalities.text, mediaType)
  );
}

async function cutElsewhere<M extends Meta>(
  document: Document<M>,
  { settings, limits, held, media }: How,
  signal: AbortSignal,
): Promise<Outcome<M>> {
  const { bytes, source, modality } = document;
  const turn = held.turn();
  const take = async (decoded: Decoded): Promise<readonly Cut[]> => {
    await turn.take(decoded.bytes);
    // what the process sends is what `cutRecord` returned there
    return (await decoded.read()) as readonly Cut[];
  };
  try {
    const ffmpeg = (await ffmpegFor(settings, media))?.path;
    const part = source.position.part !== undefined;
    const facts: RecordFacts = { uri: source.uri, stated: modality, part, settings, limits, ffmpeg };
    const cuts = await sharedDecoders(limits).run({ module: MODULE, bytes, facts }, take, signal);
    return { document, cuts, turn };
  } catch (error) {
    turn.end();
    if (!(error instanceof Failure)) throw error;
    return { document, cuts: refused(error) };
  }
}
