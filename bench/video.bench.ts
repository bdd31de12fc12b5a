import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { settledLimits } from '../src/decoders/limits.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { cutVideo } from '../src/operators/pretokenize/video/cut.ts';
import { settledVideo, type VideoOptions } from '../src/operators/pretokenize/video/options.ts';
import type { Bench, Measure } from './harness.ts';

const SECONDS = 5;
const SCALER = 'bicubic+accurate_rnd+full_chroma_int+bitexact';
const measure: Measure = { unit: 's of video/s', of: (seconds) => SECONDS / seconds };
const limits = settledLimits();

async function cut(bytes: Uint8Array, frames: VideoOptions['frames']): Promise<void> {
  await cutVideo(
    { bytes, name: 'video', modality: 'video', mediaType: 'video/mp4', confidence: 1 },
    settledVideo({ frames, audio: false, subtitles: false }),
    { limits, budget: new Budget(limits), ffmpeg: 'ffmpeg', maxSegmentBytes: 16 << 20, member: async () => [] },
  );
}

/** Five seconds of H.264 at 720p, 30 frames a second, a key frame every two. */
function video(path: string): void {
  const picture = `testsrc2=s=1280x720:r=30:d=${SECONDS}`;
  const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '60'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', picture, ...codec, path]);
}

/** What somebody would type, with as many threads. */
const typed = (path: string, input: readonly string[], filter: string): unknown =>
  execFileSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-nostdin', '-threads', '1', '-filter_threads', '1', ...input, '-i', path],
      ...['-an', '-vf', filter, '-f', 'rawvideo', '-pix_fmt', 'rgb24', 'pipe:1'],
    ],
    { maxBuffer: 1 << 30 },
  );

/** Frames of a video against the ffmpeg that decodes them, run by itself; by the clock. Nothing where there is none. */
export default async function run(bench: Bench): Promise<void> {
  if (spawnSync('ffmpeg', ['-version']).status !== 0) return;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const path = join(folder, 'video.mp4');
  try {
    video(path);
    const bytes = readFileSync(path);
    const shared = { measure, clock: 'wall', warmUp: 1 } as const;
    await bench.compare({
      ...shared,
      case: 'h264 720p, a frame a second, 224 x 224',
      run: () => cut(bytes, {}),
      peer: { name: 'ffmpeg by itself', run: () => typed(path, [], 'fps=1,scale=224:224') },
    });
    await bench.compare({
      ...shared,
      case: 'h264 720p, key frames, 224 x 224',
      run: () => cut(bytes, { keyFrames: true }),
      peer: { name: 'ffmpeg by itself', run: () => typed(path, ['-skip_frame', 'nokey'], 'scale=224:224') },
    });
    await bench.compare({
      ...shared,
      case: 'h264 720p, a frame a second as it is, in patches',
      run: () => cut(bytes, { size: 'keep', unit: 'patch' }),
      // as it comes, the conversion of colours is a faster one, which differs from processor to processor
      peer: { name: 'ffmpeg by itself, same scaler', run: () => typed(path, [], `fps=1,scale=flags=${SCALER}`) },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
