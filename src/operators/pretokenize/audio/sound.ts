import { Failure } from '../../../sources/failure.ts';

/** Samples of every channel, as many of each. */
export type Planes = readonly Float32Array[];

/** What a file says of its sound before any of it is decoded. */
export interface SoundHead {
  /** Format of the file, such as `flac` or `wav pcm_s16le`. */
  readonly format: string;
  /** Who decodes it, with the version. */
  readonly decoder: string;
  /** Samples a second. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples of each channel, as the file's frames or its header count them. */
  readonly samples: number;
  /** Whether the decoder may leave some of them out, at both ends. */
  readonly mayBeFewer?: boolean | undefined;
  /** Where the file ends too early: what is missing. */
  readonly truncated?: string | undefined;
}

/** Sound that can be decoded. */
export interface Sound extends SoundHead {
  /** What the decoder makes of the largest sample: multiplying by 32768 / `peak` gives 16 bits. */
  readonly peak: number;
  /** Where samples lie in the file, where each has bytes of its own. */
  readonly layout?: { readonly start: number; readonly frameBytes: number } | undefined;
  /**
   * All samples, in blocks of any length; they last until the next block is asked for.
   * @throws Failure `DAMAGED_FILE`
   */
  blocks(): AsyncIterable<Planes> | Iterable<Planes>;
}

const MOST_CHANNELS = 16;
const LEAST_RATE = 1000;
const MOST_RATE = 768_000;

export function damaged(message: string): Failure {
  return new Failure('DAMAGED_FILE', message, 'The file cannot be decoded: repair it, or leave it out.');
}

export function undecoded(what: string, ffmpeg: boolean): Failure {
  return new Failure(
    'UNDECODED',
    ffmpeg ? `ffmpeg does not decode ${what}` : `nothing here decodes ${what}`,
    ffmpeg
      ? "Convert it to FLAC or WAV, or keep its bytes with pretokenize({ undecoded: 'keep' })."
      : "Install ffmpeg or name one with --ffmpeg-path, or keep its bytes with pretokenize({ undecoded: 'keep' }).",
  );
}

/** Refuses rates and numbers of channels that no sound has. @throws Failure `DAMAGED_FILE` */
export function requireShape(format: string, sampleRate: number, channels: number): void {
  if (!(sampleRate >= LEAST_RATE && sampleRate <= MOST_RATE)) {
    throw damaged(`the ${format} file has ${sampleRate} samples a second; ${LEAST_RATE} to ${MOST_RATE} are taken`);
  }
  if (!(channels >= 1 && channels <= MOST_CHANNELS)) {
    throw damaged(`the ${format} file has ${channels} channels; 1 to ${MOST_CHANNELS} are taken`);
  }
}

/** What a library throws where bytes are damaged. */
export function asDamage(error: unknown, format: string): Failure {
  if (error instanceof Failure) return error;
  return damaged(`the ${format} file cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
}
