import { resolve } from 'node:path';
import { PipelineError } from '../../../errors.ts';
import type { MediaSettings } from '../../../run/context.ts';
import type { Settings } from '../settings.ts';
import { type Program, programAt } from './program.ts';

/**
 * The ffmpeg that a run decodes with: the one it was told of, else the one on the PATH.
 * @returns undefined where there is none
 * @throws PipelineError `NO_FFMPEG` where the one that it was told of does not run
 */
export async function findFfmpeg({ ffmpegPath }: MediaSettings = {}): Promise<Program | undefined> {
  // a name without a folder is looked for on the PATH, as a shell does
  const path = ffmpegPath === undefined ? 'ffmpeg' : /[\\/]/.test(ffmpegPath) ? resolve(ffmpegPath) : ffmpegPath;
  const program = await programAt(path);
  if (program !== undefined || ffmpegPath === undefined) return program;
  throw new PipelineError(`'${ffmpegPath}' is no ffmpeg that runs`, {
    code: 'NO_FFMPEG',
    path: ffmpegPath,
    hint: "It is asked for its version with '-version'. Check the path, or leave --ffmpeg-path out to use the one on the PATH.",
  });
}

/** Settings as a run has them: one without sound and video passes their bytes. */
export function withMedia(settings: Settings, media: MediaSettings | undefined): Settings {
  if (media?.audioVideo !== false) return settings;
  return { ...settings, modalities: { ...settings.modalities, audio: false, video: false } };
}

/** The ffmpeg that these settings may come to need. @throws PipelineError `NO_FFMPEG` */
export async function ffmpegFor({ modalities }: Settings, media?: MediaSettings): Promise<Program | undefined> {
  return modalities.audio === false && modalities.video === false ? undefined : findFfmpeg(media);
}
