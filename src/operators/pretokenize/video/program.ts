import { type ChildProcess, spawn } from 'node:child_process';
import { decoderEnvironment } from '../../../decoders/environment.ts';

/** The ffmpeg program as it is found. */
export interface Program {
  readonly path: string;
  /** As it says itself: `5.1.9-0+deb12u1`, `7.0.2-static`, `N-92722-gf22fcd4483`. */
  readonly version: string;
  /** Whether `prlimit` (util-linux) bounds its memory, processor time and files. */
  readonly limited: boolean;
  /** Whether `setpriv` (util-linux) has the system end it together with the process that started it. */
  readonly tied: boolean;
}

/** What one process of ffmpeg may take. */
export interface ProgramLimits {
  /** Processor time. */
  readonly seconds: number;
  /** Memory, besides that of its libraries. */
  readonly memoryBytes: number;
}

/** Address space that the libraries of a full build take; 390 MB measured for that of Debian 12. */
const LIBRARIES = 512 << 20;
/** Milliseconds in which a program must have said its version. */
const PATIENCE = 20_000;
const PROBE: ProgramLimits = { seconds: 20, memoryBytes: 512 << 20 };

type Containment = Pick<Program, 'limited' | 'tied'>;

/** Most contained first. */
const CONTAINMENTS: readonly Containment[] = [
  { limited: true, tied: true },
  { limited: true, tied: false },
  { limited: false, tied: true },
  { limited: false, tied: false },
];

/** What stands before the program's own arguments: no files written, no core, memory and time bounded, its end bound to ours. */
function wrapped(path: string, { limited, tied }: Containment, { seconds, memoryBytes }: ProgramLimits): string[] {
  const most = Math.ceil(seconds);
  return [
    ...(limited ? ['prlimit', `--as=${memoryBytes + LIBRARIES}`, `--cpu=${most}`, '--core=0', '--fsize=0', '--'] : []),
    ...(tied ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []),
    path,
    ...(limited || process.platform === 'win32' ? [] : ['-timelimit', String(most)]),
  ];
}

/** Starts the program, without a shell. @param descriptor becomes the fourth of its own, number 3 */
export function start(
  program: Pick<Program, 'path'> & Containment,
  limits: ProgramLimits,
  args: readonly string[],
  descriptor?: number,
): ChildProcess {
  const [command = program.path, ...before] = wrapped(program.path, program, limits);
  return spawn(command, [...before, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', ...(descriptor === undefined ? [] : [descriptor])],
    // without FFREPORT, which would have it write a file; colours would stand in its messages
    env: { ...decoderEnvironment(), AV_LOG_FORCE_NOCOLOR: '1' },
    windowsHide: true,
  });
}

const found = new Map<string, Promise<Program | undefined>>();

/**
 * Asks a program for its version, once in a process, with as much containment as the system has.
 * @returns undefined where there is no such program, or it does not call itself ffmpeg
 */
export function programAt(path: string): Promise<Program | undefined> {
  let program = found.get(path);
  if (program === undefined) {
    program = probe(path);
    found.set(path, program);
  }
  return program;
}

async function probe(path: string): Promise<Program | undefined> {
  for (const containment of CONTAINMENTS) {
    if (process.platform === 'win32' && (containment.limited || containment.tied)) continue;
    const version = await versionOf({ path, ...containment });
    if (version !== undefined) return { path, version, ...containment };
  }
  return undefined;
}

function versionOf(program: Pick<Program, 'path'> & Containment): Promise<string | undefined> {
  return new Promise((resolve) => {
    // -timelimit stands before it where nothing else limits the time; ffmpeg takes options in any order
    const child = start(program, PROBE, ['-version']);
    let said = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 4096) said += text;
    });
    child.stderr?.resume();
    child.once('error', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(code === 0 ? /^ffmpeg version (\S+)/.exec(said)?.[1] : undefined);
    });
  });
}
