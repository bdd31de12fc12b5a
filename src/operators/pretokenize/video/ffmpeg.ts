import { Failure } from '../../../sources/failure.ts';
import { layInput } from './inputFile.ts';
import { type Program, type ProgramLimits, programAt, start } from './program.ts';

/** One run of ffmpeg over bytes. */
export interface FfmpegTask {
  readonly input: Uint8Array;
  /**
   * Demuxers that may read it, by ffmpeg's names (`mov`, `matroska`, `wav`): no other does, whatever the bytes look like. A
   * playlist or a script that names other files is read by none that belongs here.
   */
  readonly demuxers: readonly string[];
  /** Options of the input. */
  readonly inputArgs?: readonly string[] | undefined;
  /** Options of the output, its format included (`-f rawvideo`); it is standard output. */
  readonly args: readonly string[];
  /** The output is not taken further than this. */
  readonly maxOutputBytes: number;
  readonly limits: ProgramLimits;
  /** `info` has ffmpeg say what streams there are, and filters what they see. Default: `error`. */
  readonly messages?: 'error' | 'info' | undefined;
  /** Sees every line as it is said; a Failure that it throws ends the run. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FfmpegResult {
  readonly output: Uint8Array;
  /** Lines that it said, each with its level: `[info] Stream #0:0: Video: ...`. */
  readonly lines: readonly string[];
  /** Lines that say that something is wrong. */
  readonly errors: readonly string[];
  /** Whether it ended as it should. */
  readonly succeeded: boolean;
  /** Decoder and version, for `derived` and meta: `ffmpeg 5.1.9-0+deb12u1`. */
  readonly decoder: string;
}

/** Pixels of a picture at most, before it is scaled. */
const MAX_PIXELS = 50_000_000;
/** Bytes of messages that are kept: some hundred for each frame that a filter tells of. */
const MAX_MESSAGES = 16 << 20;
/** Seconds on the clock, for one of processor time. */
const CLOCK = 5;

/**
 * Runs ffmpeg over bytes, and takes what it writes to standard output. It gets a file without a name, which it may seek in, and
 * no other: only the demuxers of the task, only the protocol `file`, no standard input, no shell, one thread. What it
 * takes is bounded: time, memory (where `prlimit` is there), pixels, messages and output. It is ended with this process
 * (where `setpriv` is there; elsewhere it ends as its output is closed, or its time is over).
 *
 * What it says is wrong is not thrown but returned: what to make of a damaged file is the caller's business.
 *
 * @param path the program, from `CutContext.ffmpeg`
 * @throws Failure `UNDECODED` where the path is undefined or no ffmpeg, `DECODED_TOO_LARGE`, `DECODE_TIME`,
 *   `DECODE_MEMORY`
 */
export async function runFfmpeg(path: string | undefined, task: FfmpegTask): Promise<FfmpegResult> {
  const program = await requireFfmpeg(path);
  const file = await layInput(task.input);
  try {
    return await ran(program, task, file);
  } finally {
    await file.remove();
  }
}

/** @throws Failure `UNDECODED` */
export async function requireFfmpeg(path: string | undefined): Promise<Program> {
  const program = path === undefined ? undefined : await programAt(path);
  if (program !== undefined) return program;
  throw new Failure(
    'UNDECODED',
    path === undefined ? 'this format takes ffmpeg, and there is none' : `'${path}' is no ffmpeg that runs`,
    'Install ffmpeg, or name one with --ffmpeg-path; sluice doctor says what it finds.',
  );
}

function argumentsOf({ demuxers, inputArgs = [], args, messages = 'error' }: FfmpegTask, path: string): string[] {
  return [
    ...['-nostdin', '-hide_banner', '-nostats', '-loglevel', `repeat+level+${messages}`],
    ...['-filter_threads', '1', '-filter_complex_threads', '1'],
    ...['-format_whitelist', demuxers.join(','), '-protocol_whitelist', 'file'],
    ...['-max_pixels', String(MAX_PIXELS), '-threads', '1', ...inputArgs, '-i', `file:${path}`],
    ...['-map_metadata', '-1', '-map_chapters', '-1', ...args, 'pipe:1'],
  ];
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

async function ran(
  program: Program,
  task: FfmpegTask,
  file: { readonly descriptor: number; readonly path: string },
): Promise<FfmpegResult> {
  const { maxOutputBytes, limits, signal } = task;
  signal?.throwIfAborted();
  const child = start(program, limits, argumentsOf(task, file.path), file.descriptor);
  const chunks: Buffer[] = [];
  const lines: string[] = [];
  let rest = '';
  let length = 0;
  let said = 0;
  let stopped: Failure | undefined;
  const stop = (why: Failure): void => {
    stopped ??= why;
    child.kill('SIGKILL');
  };
  const abort = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => stop(tooLong(limits.seconds)), 1000 * CLOCK * limits.seconds);
  child.stdout?.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > maxOutputBytes) stop(tooLarge(maxOutputBytes));
    else chunks.push(chunk);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text.length;
    if (said > MAX_MESSAGES) {
      stop(new Failure('DAMAGED_FILE', 'ffmpeg complains without end'));
      return;
    }
    const more = (rest + text).split(/\r?\n/);
    rest = more.pop() ?? '';
    lines.push(...more);
    if (stopped === undefined) tell(more, task, stop);
  });
  try {
    const { code, signal: killed } = await new Promise<Ending>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    signal?.throwIfAborted();
    if (stopped !== undefined) throw stopped;
    if (rest !== '') lines.push(rest);
    const errors = lines.filter((line) => ERROR.test(line)).map(messageOf);
    requireWithinLimits({ code, signal: killed }, lines, limits);
    return {
      output: chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, length),
      lines,
      errors,
      succeeded: code === 0,
      decoder: `ffmpeg ${program.version}`,
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

function tell(lines: readonly string[], { onLine }: FfmpegTask, stop: (why: Failure) => void): void {
  try {
    if (onLine !== undefined) for (const line of lines) onLine(line);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    stop(error);
  }
}

const ERROR = /^(\[[^\]]* @ 0?x?[0-9a-fA-F]+\] )*\[(error|fatal|panic)\]/;

/** A line without its level and the addresses of what says it. */
const messageOf = (line: string): string =>
  line.replace(/^(\[[^\]]*\] )*/, '').replaceAll('file:/dev/fd/3', 'the file');

/** @throws Failure where the system has ended the program over its limits, or it ran against them */
function requireWithinLimits(ending: Ending, lines: readonly string[], { seconds, memoryBytes }: ProgramLimits): void {
  const { code, signal } = ending;
  // with -timelimit, ffmpeg itself answers the signal that its time is over, and then says nothing but this
  const interrupted = code === 255 && !lines.some((line) => ERROR.test(line));
  if (interrupted || signal === 'SIGKILL' || signal === 'SIGXCPU') throw tooLong(seconds);
  if (signal !== null) {
    throw new Failure('DECODER_CRASHED', `ffmpeg crashed (${signal})`, 'The run goes on without this record.');
  }
  if (lines.some((line) => ERROR.test(line) && /cannot allocate memory/i.test(line))) {
    throw new Failure(
      'DECODE_MEMORY',
      `ffmpeg takes more than ${memoryBytes} bytes of memory`,
      'The file may be made to fill memory. Raise it with pretokenize({ limits: { memoryBytes } }).',
    );
  }
}

const tooLong = (seconds: number): Failure =>
  new Failure(
    'DECODE_TIME',
    `ffmpeg takes more than ${seconds} s of processor time, or ${CLOCK * seconds} s on the clock`,
    'The file may be made to hang decoders. Raise it with pretokenize({ limits: { seconds } }).',
  );

const tooLarge = (bytes: number): Failure =>
  new Failure(
    'DECODED_TOO_LARGE',
    `the decoded stream has more than the ${bytes} bytes that are left for this record`,
    'Raise it with pretokenize({ limits: { decodedBytes } }), or leave such records out.',
  );
