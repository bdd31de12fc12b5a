import type { Command } from 'commander';
import type { MediaSettings } from '../run/context.ts';

/** Flags that say how sound and video are decoded. */
export interface MediaFlags {
  readonly ffmpegPath?: string;
  /** False with `--no-audio-video`. */
  readonly audioVideo?: boolean;
}

export function withMediaFlags(command: Command): Command {
  return command
    .option('--ffmpeg-path <path>', 'the ffmpeg program for video and some sound (default: ffmpeg on the PATH)')
    .option('--no-audio-video', 'pass sound and video as the bytes they are, without decoding them');
}

export const mediaSettings = ({ ffmpegPath, audioVideo }: MediaFlags): MediaSettings => ({ ffmpegPath, audioVideo });
