import { OutputError, type Position, SluiceError, UsageError } from '../errors.ts';
import { diskCodes } from '../run/durable.ts';
import { exitCode } from '../run/exitCodes.ts';
import { RejectLimitError } from '../run/rejects.ts';
import { StallError } from '../run/stall.ts';

const colour = process.stderr.isTTY && !process.env['NO_COLOR'];
const red = (text: string): string => (colour ? `\x1b[31m${text}\x1b[0m` : text);

/** Tells what went wrong, where, and what to do; an error nobody foresaw comes with its stack. */
export function renderError(error: unknown): void {
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  if (!(error instanceof SluiceError)) {
    say(red(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`));
    return;
  }
  say(red(`error: ${error.message} [${error.code}]`));
  const where = [error.path, positionText(error.position)].filter(Boolean).join(', ');
  if (where) say(`  at   ${where}`);
  if (error.hint) say(`  hint ${error.hint.replaceAll('\n', '\n       ')}`);
  if (process.env['SLUICE_DEBUG']) say(error.stack ?? '');
}

function positionText(position: Position | undefined): string {
  if (position === undefined) return '';
  return Object.entries(position)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

export function exitCodeFor(error: unknown): number {
  if (error instanceof UsageError) return exitCode.usage;
  if (error instanceof RejectLimitError) return exitCode.rejectLimit;
  if (error instanceof StallError) return exitCode.stalled;
  if (error instanceof OutputError && diskCodes.has(error.code)) return exitCode.disk;
  if (error instanceof OutputError && error.code === 'NOT_VERIFIED') return exitCode.notVerified;
  return error instanceof SluiceError ? exitCode.failed : exitCode.stalled;
}
