import { bytes, count, duration } from '../format.ts';
import type { Snapshot } from './counter.ts';

export const progressModes = ['auto', 'plain', 'json', 'off'] as const;
export type ProgressMode = (typeof progressModes)[number];

/** Shows a run while it goes on. */
export interface Reporter {
  /** Milliseconds between two snapshots; 0 for none. */
  readonly every: number;
  note(line: string): void;
  show(snapshot: Snapshot): void;
  /** Takes the progress line away, before an error or the summary. */
  clear(): void;
}

function line(s: Snapshot): string {
  const [done, total] =
    s.documents_limit === null
      ? [s.input_bytes.done, s.input_bytes.total]
      : // what has been read is done only as far as it has been written
        [s.documents_read_earlier + Math.min(s.documents_read, s.documents + s.rejects), s.documents_limit];
  const part = total > 0 ? `${Math.min(99, Math.floor((100 * done) / total))}%` : '';
  const rooms = s.stages
    .filter((stage) => stage.items > 0)
    .map((stage) => `${stage.stage} ${stage.items}/${stage.room_items ?? '-'}`);
  const { step } = s;
  return [
    step === null
      ? `${part} ${s.splits.committed + s.splits.earlier}/${s.splits.total} splits`
      : `${step.name} ${step.done}/${step.tasks}`,
    `${count(s.documents)} documents`,
    bytes(s.bytes),
    ...(s.patches > 0 ? [`${count(s.patches)} patches`] : []),
    `${bytes(s.bytes_per_second)}/s`,
    ...(s.rejects > 0 ? [`${count(s.rejects)} rejects`] : []),
    ...(s.eta_seconds === null ? [] : [`ETA ${duration(s.eta_seconds)}`]),
    ...(rooms.length > 0 ? [`[${rooms.join(' ')}]`] : []),
  ].join('  ');
}

function terminal(): Reporter {
  const { stderr } = process;
  const clear = (): void => {
    stderr.write('\r\x1b[2K');
  };
  return {
    every: 200,
    note: (text) => {
      clear();
      stderr.write(`${text}\n`);
    },
    show: (snapshot) => {
      stderr.write(`\r\x1b[2K${line(snapshot).slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    clear,
  };
}

function plain(): Reporter {
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  return { every: 5000, note: say, show: (snapshot) => say(line(snapshot)), clear: () => {} };
}

/** One JSON object a line on stdout, with the member `event`. */
function json(): Reporter {
  return {
    every: 1000,
    note: () => {},
    show: (snapshot) => jsonLine({ event: 'progress', ...snapshot }),
    clear: () => {},
  };
}

export function jsonLine(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function reporterFor(mode: ProgressMode): Reporter {
  if (mode === 'json') return json();
  if (mode === 'off') return { every: 0, note: () => {}, show: () => {}, clear: () => {} };
  return mode === 'auto' && process.stderr.isTTY ? terminal() : plain();
}
