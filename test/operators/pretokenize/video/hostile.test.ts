import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFfmpeg } from '../../../../src/operators/pretokenize/video/ffmpeg.ts';
import { DEMUXERS } from '../../../../src/operators/pretokenize/video/frames.ts';
import { programAt, start } from '../../../../src/operators/pretokenize/video/program.ts';
import { isRefused } from '../../../../src/operators/pretokenize/view.ts';
import { Failure } from '../../../../src/sources/failure.ts';
import { until } from '../../../support/decoders.ts';
import { cut, ffmpeg, fixture, programs } from './tools.ts';

const limits = { seconds: 20, memoryBytes: 512 << 20 };
const small = { frames: { size: [16, 16] }, audio: false, subtitles: false } as const;

let folder = '';
let secret = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-video-'));
  secret = join(folder, 'secret.mkv');
  writeFileSync(secret, fixture('lossless.mkv'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What comes of bytes: names of views, or why not. Anything but a Failure is thrown. */
async function outcome(bytes: Uint8Array, options: Parameters<typeof cut>[1] = small): Promise<string> {
  try {
    return (await cut(bytes, options)).map((one) => (isRefused(one) ? one.code : `view${one.suffix}`)).join();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.code;
  }
}

describe.each(programs)('%s', (program) => {
  const all = { program, ...small };

  it('reads no file but the one that it is given', async () => {
    const scripts = [
      `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.5,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile '${secret}'\n`,
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet><Representation id="0"><BaseURL>file://${secret}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
      `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n`,
      `file:${secret}\n`,
    ];
    for (const script of scripts) expect(await outcome(Buffer.from(script), all)).toBe('DAMAGED_FILE');
    // a script that does name a file which can be read: the format is refused, and nothing else
    const input = Buffer.from(scripts[1] ?? '');
    const task = { input, inputArgs: ['-safe', '0'], args: ['-f', 'framecrc'], maxOutputBytes: 1e6, limits };
    const allowed = ['concat', ...DEMUXERS];
    expect(await runFfmpeg(program, { ...task, demuxers: allowed })).toMatchObject({ succeeded: true });
    const refused = { ...task, demuxers: DEMUXERS, inputArgs: [] };
    expect(await runFfmpeg(program, refused)).toMatchObject({ succeeded: false });
  });

  it('refuses pictures that are larger than anything', async () => {
    const began = performance.now();
    expect(await outcome(fixture('huge.y4m'), all)).toBe('DAMAGED_FILE');
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it.each([
    ['nothing but zeros', new Uint8Array(5000)],
    ['an MP4 without anything in it', Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1')],
    ['a Matroska header alone', fixture('lossless.mkv').subarray(0, 60)],
    ['a YUV4MPEG header alone', Buffer.from('YUV4MPEG2 W16 H16 F25:1 Ip A1:1 C420jpeg\n')],
    ['text', Buffer.from('This is no video at all. '.repeat(40))],
  ])('%s is refused', async (_what, bytes) => {
    expect(await outcome(bytes, all)).toMatch(/^(DAMAGED_FILE|EMPTY_DOCUMENT)$/);
  });
});

describe('files that end too early', () => {
  const names = [
    'h264.mp4',
    'front.mp4',
    'lossless.mkv',
    'vp9.webm',
    'mpeg4.avi',
    'qtrle.mov',
    'mpeg2.m2t',
    'flv1.flv',
  ];

  it.each([...names, 'theora.ogv', 'wmv2.wmv'])('%s is refused, or what is there taken by choice', async (name) => {
    const whole = fixture(name);
    expect(await outcome(whole)).toBe('view');
    for (const share of [0.1, 0.45, 0.7, 0.95, 0.9999]) {
      const bytes = whole.subarray(0, Math.floor(share * whole.length));
      expect(await outcome(bytes), `${share} of it`).toBe('DAMAGED_FILE');
    }
    const most = whole.subarray(0, Math.floor(0.95 * whole.length));
    expect(await outcome(most, { ...small, damaged: 'keep' })).toMatch(/^(view|DAMAGED_FILE)$/);
  });

  it('what is kept says what is wrong', async () => {
    const whole = fixture('front.mp4');
    const [view] = await cut(whole.subarray(0, 10_000), { ...small, damaged: 'keep' });
    expect(view !== undefined && !isRefused(view) && view.segments.meta['damage']).toMatch(/\w/);
  });
});

it('mutated files are cut or refused, in bounded time', async () => {
  const names = ['h264.mp4', 'lossless.mkv', 'vp9.webm', 'mpeg4.avi', 'mpeg2.m2t'] as const;
  const change = fc.record({
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    to: fc.integer({ min: 0, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.array(change, { minLength: 1, maxLength: 20 }),
      async (name, changes) => {
        const bytes = Uint8Array.from(fixture(name));
        for (const { at, to } of changes) bytes[Math.floor(at * bytes.length)] = to;
        const began = performance.now();
        expect(await outcome(bytes)).toMatch(/^(view|[A-Z_]+)$/);
        expect(performance.now() - began).toBeLessThan(20_000);
      },
    ),
    { numRuns: 30, seed: 7 },
  );
}, 60_000);

describe('limits', () => {
  const task = { input: fixture('three.y4m'), demuxers: ['yuv4mpegpipe'], maxOutputBytes: 1 << 20 };

  it('a program that writes without end is stopped when there is enough', async () => {
    await expect(
      runFfmpeg(ffmpeg, { ...task, limits, inputArgs: ['-stream_loop', '-1'], args: ['-f', 'rawvideo'] }),
    ).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
  });

  it('a program that does not end is killed in time', async () => {
    const began = performance.now();
    const args = ['-f', 'null'];
    const run = runFfmpeg(ffmpeg, {
      ...task,
      limits: { ...limits, seconds: 0.3 },
      inputArgs: ['-stream_loop', '-1'],
      args,
    });
    await expect(run).rejects.toMatchObject({ code: 'DECODE_TIME' });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('a signal ends it', async () => {
    const signal = AbortSignal.timeout(200);
    const run = runFfmpeg(ffmpeg, { ...task, limits, inputArgs: ['-stream_loop', '-1'], args: ['-f', 'null'], signal });
    await expect(run).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('what it says is looked at as it is said, and may end it', async () => {
    const onLine = (line: string): void => {
      if (line.includes('Stream #0:0')) throw new Failure('ENOUGH', 'enough');
    };
    const run = runFfmpeg(ffmpeg, {
      ...task,
      limits,
      messages: 'info',
      onLine,
      inputArgs: ['-stream_loop', '-1'],
      args: ['-f', 'null'],
    });
    await expect(run).rejects.toMatchObject({ code: 'ENOUGH' });
  });

  it('it ends with the process that started it, and leaves no file', async () => {
    const program = await programAt(ffmpeg);
    if (program === undefined) throw new Error('there is no ffmpeg');
    const before = leftovers();
    const script = `
      import { runFfmpeg } from ${JSON.stringify(new URL('../../../../src/operators/pretokenize/video/ffmpeg.ts', import.meta.url).href)};
      import { readFileSync } from 'node:fs';
      const input = readFileSync(${JSON.stringify(join(folder, 'endless.y4m'))});
      const args = ['-metadata', 'title=${folder}', '-f', 'null'];
      await runFfmpeg(${JSON.stringify(ffmpeg)}, { input, demuxers: ['yuv4mpegpipe'], inputArgs: ['-stream_loop', '-1'], args, maxOutputBytes: 1e9, limits: { seconds: 20, memoryBytes: ${512 << 20} } });
    `;
    writeFileSync(join(folder, 'endless.y4m'), fixture('three.y4m'));
    const child = spawn(
      process.execPath,
      ['--conditions=sluice-source', '--no-warnings', '--input-type=module-typescript', '-e', script],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    await until(() => running(folder).length > 0);
    child.kill('SIGKILL');
    // with pdeathsig at once; elsewhere when its processor time is over
    await until(() => running(folder).length === 0, program.tied ? 5000 : 30_000);
    expect(leftovers()).toEqual(before);
  }, 60_000);

  it('it cannot write files', async () => {
    const program = await programAt(ffmpeg);
    if (program?.limited !== true) return expect(program).toBeDefined();
    const target = join(folder, 'written.raw');
    const child = start(program, limits, [
      '-v',
      'quiet',
      '-f',
      'lavfi',
      '-t',
      '1',
      '-i',
      'testsrc=s=640x480',
      '-f',
      'rawvideo',
      target,
    ]);
    await new Promise((resolve) => child.once('close', resolve));
    expect(readdirSync(folder).includes('written.raw') ? readFileSync(target).length : 0).toBe(0);
  });
});

/** Processes whose command line holds a text. */
function running(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const program = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return program.includes('-nostdin') && program.includes(text);
    } catch {
      return false;
    }
  });
}

const leftovers = (): string[] =>
  [tmpdir(), '/dev/shm'].flatMap((place) => {
    try {
      return readdirSync(place).filter((name) => /^sluice-[0-9a-f]{24}$/.test(name));
    } catch {
      return [];
    }
  });
