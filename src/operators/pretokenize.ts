import { defer, type OperatorFunction } from 'rxjs';
import { PipelineError, RecordError } from '../errors.ts';
import { mapAsync, transduce } from '../flow/index.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Document, Meta, Modality, Segment } from '../records.ts';
import { currentRun, rejectOrThrow } from '../run/context.ts';
import { requireValues } from '../run/valueKinds.ts';
import { byteSegments } from './pretokenize/bytes.ts';
import { canonicalCharset, utf8Faults } from './pretokenize/charset.ts';
import { detectOther, detectText, type Found } from './pretokenize/detect.ts';
import { textSegments } from './pretokenize/text.ts';

export interface PretokenizeOptions {
  /**
   * `keep` leaves text in its own charset, so that every segment is bytes of its document; `utf-8` re-encodes text in
   * other charsets, which makes those segments derived. Default: `keep`.
   */
  readonly charset?: 'keep' | 'utf-8' | undefined;
  /** Bytes of a segment at most, before re-encoding; 64 or more. Cut behind a line end, else a character. Default: 16 MiB. */
  readonly maxSegmentBytes?: number | undefined;
  /** What becomes of damaged UTF-8: rejected as `INVALID_UTF8`, or passed as it is. Default: `reject`. */
  readonly invalidText?: 'reject' | 'keep' | undefined;
  /** Charset of text that is not UTF-8, where it is known: nothing is guessed then, and nothing is damaged. */
  readonly fallbackCharset?: string | undefined;
  /** Modality of every segment, whatever its content looks like. Default: detected, or what the source says. */
  readonly modality?: Modality | undefined;
}

const OPTIONS = {
  charset: true,
  maxSegmentBytes: true,
  invalidText: true,
  fallbackCharset: true,
  modality: true,
} as const;

interface Settings {
  readonly charset: 'keep' | 'utf-8';
  readonly maxSegmentBytes: number;
  readonly invalidText: 'reject' | 'keep';
  readonly fallbackCharset: string | undefined;
  readonly modality: Modality | undefined;
}

const STAGE = 'pretokenize';

function settle(options: PretokenizeOptions): Settings {
  requireOptions('pretokenize', options, OPTIONS);
  const { charset = 'keep', maxSegmentBytes = 16 << 20, invalidText = 'reject', fallbackCharset, modality } = options;
  if (!Number.isSafeInteger(maxSegmentBytes) || maxSegmentBytes < 64) {
    throw new PipelineError(`maxSegmentBytes is ${maxSegmentBytes}; it must be a whole number of at least 64`, {
      code: 'BAD_LIMIT',
    });
  }
  const known = fallbackCharset === undefined ? undefined : canonicalCharset(fallbackCharset);
  if (fallbackCharset !== undefined && known === undefined) {
    throw new PipelineError(`fallbackCharset '${fallbackCharset}' is unknown`, {
      code: 'UNKNOWN_CHARSET',
      hint: 'Names are those of the WHATWG Encoding Standard, such as windows-1252, koi8-r, shift_jis.',
    });
  }
  return { charset, maxSegmentBytes, invalidText, fallbackCharset: known, modality };
}

function rejection(document: Document, code: string, message: string, hint?: string): RecordError {
  const { uri, position } = document.source;
  return new RecordError(message, { code, path: uri, position, hint });
}

function empty(document: Document): RecordError {
  return rejection(document, 'EMPTY_DOCUMENT', `'${document.id}' has no text`);
}

function damaged({ offset, guess }: { offset: number; guess: string | undefined }, document: Document): RecordError {
  return rejection(
    document,
    'INVALID_UTF8',
    `the text is not valid UTF-8: byte ${offset} begins no character`,
    guess === undefined
      ? "Repair the input, or pass it as it is with pretokenize({ invalidText: 'keep' })."
      : `If it is ${guess}, set pretokenize({ fallbackCharset: '${guess}' }); { invalidText: 'keep' } passes it as it is.`,
  );
}

/** The segments of a document by what was found in it. Throws RecordError. */
function segmentsOf<M extends Meta>(document: Document<M>, found: Found, settings: Settings): Iterable<Segment<M>> {
  const { maxSegmentBytes } = settings;
  if (found.kind === 'bytes') {
    const modality = settings.modality ?? document.modality ?? found.modality;
    return byteSegments(document, modality, found.mediaType, maxSegmentBytes);
  }
  if (found.kind === 'damaged' && settings.invalidText === 'reject') throw damaged(found, document);
  const { charset, confidence } = found.kind === 'text' ? found : { charset: 'utf-8', confidence: 1 };
  const transcode = settings.charset === 'utf-8' && charset !== 'utf-8';
  try {
    const segments = textSegments(document, {
      charset,
      confidence,
      modality: settings.modality,
      maxSegmentBytes,
      transcode,
    });
    if (transcode && Array.from(segments).every(({ bytes }) => bytes.length === 0)) throw empty(document);
    return segments;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw rejection(
      document,
      'INVALID_TEXT',
      `the text is not valid ${charset}: ${error.message}`,
      "Repair the input, or keep its bytes with pretokenize({ charset: 'keep' }).",
    );
  }
}

/** What one document is cut into; a promise only where its bytes are not plainly text. Throws RecordError. */
function segmentWith<M extends Meta>(
  document: Document<M>,
  settings: Settings,
): Iterable<Segment<M>> | Promise<Iterable<Segment<M>>> {
  if (document.bytes.length === 0) {
    throw empty(document);
  }
  const found = detectText(document.bytes);
  if (found !== undefined) return segmentsOf(document, found, settings);
  const stated = settings.modality ?? document.modality;
  if (stated === 'text' || stated === 'code') {
    // Whoever says text means text, however the bytes look.
    const faults = utf8Faults(document.bytes);
    if (faults === undefined) return segmentsOf(document, { kind: 'text', charset: 'utf-8', confidence: 1 }, settings);
  }
  return detectOther(document.bytes, settings.fallbackCharset).then((other) => segmentsOf(document, other, settings));
}

/**
 * Cuts documents into typed segments: text in segments of bounded size, everything else as its raw bytes with the type
 * that its content shows, until an operator takes it apart.
 *
 * Text is told by a byte-order mark, by being valid UTF-8 without control characters, or as an older charset that reads
 * as text; known binary formats by their magic. Byte ranges are exact and tile the document. `meta.charset` names the
 * charset, `meta.confidence` (0 to 1) is there where it was guessed, `meta.language` where the file name tells code.
 *
 *     folder('samples').read(split).pipe(pretokenize({ charset: 'utf-8' }))
 *
 * Rejects `EMPTY_DOCUMENT`, `INVALID_UTF8`, `INVALID_TEXT` (docs/rejects.md); throws them where no run is listening.
 *
 * @throws PipelineError `BAD_LIMIT`, `UNKNOWN_CHARSET`; the flow fails with `WRONG_VALUES` where values are no documents
 */
export function pretokenize<M extends Meta = Meta>(
  options: PretokenizeOptions = {},
): OperatorFunction<Document<M>, Segment<M>> {
  const settings = settle(options);
  return (source) =>
    defer(() => {
      const run = currentRun();
      const checked = (document: Document<M>) => {
        requireValues(STAGE, ['documents'], document);
        return attempt(document, settings);
      };
      const cut = mapAsync(checked, {
        name: STAGE,
        concurrency: 2,
        room: { items: 64, bytes: 2 * settings.maxSegmentBytes },
        sizeOf: (document) => document.bytes.length,
        options: settings,
      });
      return source.pipe(
        cut,
        transduce(() => ({
          // Here and not above: rejects come in the order of the documents.
          next(outcome: Outcome<M>): Iterable<Segment<M>> {
            if (!(outcome instanceof Rejected)) return outcome;
            rejectOrThrow(run, STAGE, outcome.error, outcome.payload);
            return [];
          },
        })),
      );
    });
}

class Rejected {
  readonly error: RecordError;
  readonly payload: Uint8Array | undefined;
  constructor(error: RecordError, payload: Uint8Array | undefined) {
    this.error = error;
    this.payload = payload;
  }
}

type Outcome<M extends Meta> = Iterable<Segment<M>> | Rejected;

/** Bytes of a rejected document that are kept beside the reason. */
const MAX_PAYLOAD = 64 << 10;

function attempt<M extends Meta>(document: Document<M>, settings: Settings): Outcome<M> | Promise<Outcome<M>> {
  const refuse = (error: unknown): Rejected => {
    if (!(error instanceof RecordError)) throw error;
    return new Rejected(error, document.bytes.length <= MAX_PAYLOAD ? document.bytes : undefined);
  };
  try {
    const segments = segmentWith(document, settings);
    return segments instanceof Promise ? segments.catch(refuse) : segments;
  } catch (error) {
    return refuse(error);
  }
}
