import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly input?: string;
}

/** Starts the command line as a user's shell does. */
export function start(args: readonly string[], options: StartOptions = {}) {
  return startScript(path.join(root, 'src/cli/main.ts'), args, options);
}

/** Starts a script of the checkout. */
export function startScript(script: string, args: readonly string[], options: StartOptions = {}) {
  const child = spawn(
    process.execPath,
    ['--conditions=sluice-source', '--disable-warning=ExperimentalWarning', script, ...args],
    { cwd: options.cwd ?? root, env: { ...process.env, NODE_OPTIONS: '', ...options.env }, stdio: 'pipe' },
  );
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  child.stdin.end(options.input ?? '');
  const ended = once(child, 'close').then(([code, signal]) => ({ ...output, code, signal }) as Ended);
  return { child, ended, output };
}

/** Runs the command line to its end. */
export function sluice(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}
