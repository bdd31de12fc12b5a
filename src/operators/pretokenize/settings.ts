import type { DecoderLimits } from '../../decoders/limits.ts';
import { LIMIT_NAMES } from '../../decoders/limits.ts';
import { PipelineError } from '../../errors.ts';
import { MODALITIES, type Modality } from '../../records.ts';
import { ARCHIVE_OPTIONS, type ArchiveOptions, type ArchiveSettings, settledArchive } from './archive/options.ts';
import { AUDIO_OPTIONS, type AudioOptions, type AudioSettings, settledAudio } from './audio/options.ts';
import { BINARY_OPTIONS, type BinaryOptions, type BinarySettings, settledBinary } from './binary/options.ts';
import { CODE_OPTIONS, type CodeOptions, type CodeSettings, settledCode } from './code/options.ts';
import type { DetectionSettings } from './detect.ts';
import { settledTypes } from './detection/typeRules.ts';
import { IMAGE_OPTIONS, type ImageOptions, type ImageSettings, settledImage } from './image/options.ts';
import { PDF_OPTIONS, type PdfOptions, type PdfSettings, settledPdf } from './pdf/options.ts';
import { canonicalCharset } from './text/charset.ts';
import { settledText, TEXT_OPTIONS, type TextOptions, type TextSettings } from './text/options.ts';
import { settledVideo, VIDEO_OPTIONS, type VideoOptions, type VideoSettings } from './video/options.ts';

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
  /**
   * Media types by extension or glob, which go before anything that content says: `{ dat: 'audio/wav', 'raw/**':
   * 'text/plain' }`. The first that fits counts. Members of archives are known by their paths there. Default: none.
   */
  readonly types?: Readonly<Record<string, string>> | undefined;
  /**
   * What becomes of formats that nothing here decodes (`UNDECODED`): rejected, or passed as the bytes they are. What
   * claims to be of a known format and is damaged is always rejected. Default: `reject`.
   */
  readonly undecoded?: 'reject' | 'keep' | undefined;
  readonly text?: TextOptions | undefined;
  /** Of this and the following, `false` passes the bytes as they are. */
  readonly code?: CodeOptions | false | undefined;
  readonly image?: ImageOptions | false | undefined;
  readonly audio?: AudioOptions | false | undefined;
  readonly video?: VideoOptions | false | undefined;
  readonly pdf?: PdfOptions | false | undefined;
  readonly archive?: ArchiveOptions | false | undefined;
  readonly binary?: BinaryOptions | false | undefined;
  /** What one record may take. */
  readonly limits?: DecoderLimits | undefined;
}

export const OPTIONS = {
  charset: true,
  maxSegmentBytes: true,
  invalidText: true,
  fallbackCharset: true,
  modality: true,
  types: true,
  undecoded: true,
  text: TEXT_OPTIONS,
  code: CODE_OPTIONS,
  image: IMAGE_OPTIONS,
  audio: AUDIO_OPTIONS,
  video: VIDEO_OPTIONS,
  pdf: PDF_OPTIONS,
  archive: ARCHIVE_OPTIONS,
  binary: BINARY_OPTIONS,
  limits: LIMIT_NAMES,
} as const;

/** What decides how records are cut; plain values, which cross to decoder processes. */
export interface Settings {
  readonly maxSegmentBytes: number;
  readonly undecoded: 'reject' | 'keep';
  readonly detection: DetectionSettings;
  readonly modalities: {
    readonly text: TextSettings;
    readonly code: CodeSettings | false;
    readonly image: ImageSettings | false;
    readonly audio: AudioSettings | false;
    readonly video: VideoSettings | false;
    readonly pdf: PdfSettings | false;
    readonly archive: ArchiveSettings | false;
    readonly binary: BinarySettings | false;
  };
}

/** @throws PipelineError `BAD_LIMIT`, `BAD_OPTION`, `UNKNOWN_CHARSET` */
export function settled(options: PretokenizeOptions): Settings {
  const { charset = 'keep', maxSegmentBytes = 16 << 20, invalidText = 'reject', undecoded = 'reject' } = options;
  if (!Number.isSafeInteger(maxSegmentBytes) || maxSegmentBytes < 64) {
    throw new PipelineError(`maxSegmentBytes is ${maxSegmentBytes}; it must be a whole number of at least 64`, {
      code: 'BAD_LIMIT',
    });
  }
  requireOneOf('charset', charset, ['keep', 'utf-8']);
  requireOneOf('invalidText', invalidText, ['reject', 'keep']);
  requireOneOf('undecoded', undecoded, ['reject', 'keep']);
  requireOneOf('modality', options.modality, MODALITIES);
  requireObjects(options);
  const { text, code, image, audio, video, pdf, archive, binary } = options;
  return {
    maxSegmentBytes,
    undecoded,
    detection: {
      modality: options.modality,
      fallbackCharset: knownCharset(options.fallbackCharset),
      types: settledTypes(options.types),
    },
    modalities: {
      text: settledText(text ?? {}, { transcode: charset === 'utf-8', keepInvalid: invalidText === 'keep' }),
      code:
        code === false
          ? false
          : settledCode(code, { transcode: charset === 'utf-8', keepInvalid: invalidText === 'keep' }),
      image: image === false ? false : settledImage(image),
      audio: audio === false ? false : settledAudio(audio),
      video: video === false ? false : settledVideo(video),
      pdf: pdf === false ? false : settledPdf(pdf),
      archive: archive === false ? false : settledArchive(archive),
      binary: binary === false ? false : settledBinary(binary),
    },
  };
}

/** Types are stripped from pipeline files, so that nobody else tells of a misspelt value. */
function requireOneOf(name: string, value: string | undefined, values: readonly string[]): void {
  if (value === undefined || values.includes(value)) return;
  throw new PipelineError(`pretokenize: ${name} is ${JSON.stringify(value)}`, {
    code: 'BAD_OPTION',
    hint: `One of ${values.join(', ')}.`,
  });
}

/** What has options of its own is an object of them; all but text may be `false`. */
function requireObjects(options: PretokenizeOptions): void {
  for (const name of [...MODALITIES, 'limits', 'types'] as const) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) continue;
    const mayBeOff = name !== 'text' && name !== 'limits' && name !== 'types';
    if (value === false && mayBeOff) continue;
    throw new PipelineError(`pretokenize: ${name} is ${JSON.stringify(value)}, and no object`, {
      code: 'BAD_OPTION',
      hint: mayBeOff
        ? 'Leave it out for the defaults, give its options, or false to pass such bytes as they are.'
        : 'Leave it out for the defaults, or give its options.',
    });
  }
}

function knownCharset(name: string | undefined): string | undefined {
  const known = name === undefined ? undefined : canonicalCharset(name);
  if (name === undefined || known !== undefined) return known;
  throw new PipelineError(`fallbackCharset '${name}' is unknown`, {
    code: 'UNKNOWN_CHARSET',
    hint: 'Names are those of the WHATWG Encoding Standard, such as windows-1252, koi8-r, shift_jis.',
  });
}
