import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordError } from '../../../../src/errors.ts';
import { pull } from '../../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Segment } from '../../../../src/records.ts';
import { type MediaSettings, withRun } from '../../../../src/run/context.ts';
import { documentOf } from '../../../support/cuts.ts';
import { sluice } from '../../../support/sluice.ts';
import { ffmpeg, fixture } from './tools.ts';

interface Outcome {
  readonly segments: Segment[];
  readonly rejects: RecordError[];
}

async function run(names: readonly string[], media: MediaSettings, options?: PretokenizeOptions): Promise<Outcome> {
  const segments: Segment[] = [];
  const rejects: RecordError[] = [];
  const context = { media, reject: (_stage: string, error: RecordError) => void rejects.push(error) };
  const documents = names.map((name) => documentOf(fixture(name), name));
  await new Promise<void>((resolve, reject) =>
    withRun(context, () =>
      pull(() => [documents])
        .pipe(pretokenize(options))
        .subscribe({ next: (segment) => segments.push(segment), error: reject, complete: resolve }),
    ),
  );
  return { segments, rejects };
}

describe('a video in a run', () => {
  it('becomes documents of one record: its frames, its sound, its subtitles', async () => {
    const { segments, rejects } = await run(['h264.mp4'], { ffmpegPath: ffmpeg });
    expect(rejects).toEqual([]);
    const ids = [...new Set(segments.map(({ document }) => `${document.id} of ${document.record}`))];
    expect(ids).toEqual(['h264.mp4 of h264.mp4', 'h264.mp4#audio of h264.mp4', 'h264.mp4#subtitles of h264.mp4']);
    const labels = segments.map(({ label }) => label);
    expect(labels).toEqual([...Array(3).fill('video_frame'), 'audio_segment', ...Array(3).fill('subtitle')]);
    expect(segments.map(({ bytes }) => bytes.length).slice(0, 3)).toEqual(Array(3).fill(150_528));
    expect(segments[1]).toMatchObject({
      modality: 'video',
      mediaType: 'video/mp4',
      origin: {
        start: 0,
        end: fixture('h264.mp4').length,
        derived: expect.stringMatching(/^h264 -> rgb8 224x224 \(ffmpeg /),
      },
      meta: { frame_index: 1, timestamp_ms: 1000, frame_width: 224, source_width: 32, duration_ms: 2500 },
    });
  });

  it('without sound and video, passes as it is: no decoder sees it', async () => {
    const names = ['lossless.mkv', 'h264.mp4'];
    const { segments, rejects } = await run(names, { audioVideo: false, ffmpegPath: '/nowhere/ffmpeg' });
    expect(rejects).toEqual([]);
    expect(segments.map(({ bytes }) => Buffer.from(bytes))).toEqual(names.map(fixture));
    expect(segments.map(({ label }) => label)).toEqual(['video', 'video']);
  });

  it('is rejected where it is damaged, and the next one is not', async () => {
    const { segments, rejects } = await run(['huge.y4m', 'silent.mkv'], { ffmpegPath: ffmpeg }, { modality: 'video' });
    expect(rejects.map(({ code, path }) => [code, path])).toEqual([['DAMAGED_FILE', 'huge.y4m']]);
    expect(new Set(segments.map(({ document }) => document.id))).toEqual(new Set(['silent.mkv']));
  });

  it('fails at once where the ffmpeg that was named does not run', async () => {
    await expect(run(['h264.mp4'], { ffmpegPath: '/nowhere/ffmpeg' })).rejects.toMatchObject({ code: 'NO_FFMPEG' });
  });
});

describe('the command line', () => {
  let folder = '';
  let pipeline = '';
  beforeAll(() => {
    folder = mkdtempSync(join(process.cwd(), '.video-'));
    writeFileSync(join(folder, 'a.mkv'), fixture('silent.mkv'));
    pipeline = join(folder, 'videos.ts');
    writeFileSync(
      pipeline,
      `import { definePipeline } from 'sluice';
       import { pretokenize } from 'sluice/operators';
       import { jsonl } from 'sluice/sinks';
       import { files } from 'sluice/sources';
       export default definePipeline('videos', files(${JSON.stringify(join(folder, '*.mkv'))})).pipe(pretokenize()).to(jsonl('segments'));`,
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const identity = async (...flags: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await sluice(['plan', pipeline, '--json', ...flags]);
    if (code !== 0) return stderr;
    const { stages } = JSON.parse(stdout) as { stages: { name: string; identity: unknown }[] };
    return stages.find(({ name }) => name === 'pretokenize')?.identity;
  };

  it('has the version of ffmpeg in the plan, unless sound and video are left as they are', async () => {
    expect(await identity('--ffmpeg-path', ffmpeg)).toMatchObject({ ffmpeg: expect.stringMatching(/^\S+$/) });
    expect(await identity('--no-audio-video')).toMatchObject({ ffmpeg: null });
    expect(await identity('--ffmpeg-path', join(tmpdir(), 'nothing'))).toMatch(/NO_FFMPEG|no ffmpeg that runs/);
  }, 60_000);

  it('says in doctor which ffmpeg there is', async () => {
    const { stdout } = await sluice(['doctor', '--json', '--ffmpeg-path', ffmpeg]);
    expect(stdout).toMatch(/"part":"ffmpeg","state":"ok"/);
    const none = await sluice(['doctor', '--json', '--ffmpeg-path', join(tmpdir(), 'nothing')]);
    expect(none.stdout).toMatch(/"part":"ffmpeg","state":"off"/);
  }, 60_000);
});
