import { readSync, writeFileSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { workerModule } from '../run/pool.ts';
import { Failure } from '../sources/failure.ts';
import { milliseconds, processorSeconds } from './clocks.ts';
import { endFamily } from './family.ts';
import {
  type AnswerMessage,
  type DecoderWork,
  MOST_AT_ONCE,
  RESULTS_AT,
  RESULTS_FD,
  TASKS_FD,
  type TaskMessage,
} from './protocol.ts';
import { dismantle } from './result.ts';
import type { Watched } from './watchWorker.ts';

/** One process that decodes: one record at a time, watched by a thread of its own, and worth nothing to anybody else. */

/** Characters of what a decoder says that are handed on. */
const MOST_WORDS = 2000;

const { seconds, memoryBytes } = JSON.parse(process.argv[2] ?? '{}') as Pick<Watched, 'seconds' | 'memoryBytes'>;

const began = new Float64Array(new SharedArrayBuffer(16));
const watched: Watched = { began, seconds, memoryBytes, parent: process.ppid };

/** The file of results cannot take what is written. */
class NoRoom extends Error {}

const works = new Map<string, Promise<DecoderWork>>();

function workOf(module: string): Promise<DecoderWork> {
  let work = works.get(module);
  if (work === undefined) {
    work = import(pathToFileURL(module).href).then((loaded: { default: DecoderWork }) => loaded.default);
    works.set(module, work);
  }
  return work;
}

function read(bytes: number): Uint8Array<ArrayBuffer> {
  const into = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
  for (let done = 0; done < bytes; ) {
    const read = readSync(TASKS_FD, into, done, Math.min(MOST_AT_ONCE, bytes - done), done);
    if (read === 0) throw new Error('the task is shorter than it was said to be');
    done += read;
  }
  return into;
}

function write(bytes: Uint8Array, at: number): number {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(RESULTS_FD, bytes, done, Math.min(MOST_AT_ONCE, bytes.length - done), at + done);
    }
  } catch (cause) {
    throw new NoRoom(cause instanceof Error ? cause.message : '', { cause });
  }
  return at + bytes.length;
}

const answer = (message: AnswerMessage): void => {
  process.send?.(message);
};

/** Ends this process as a crash does: what runs astray here must not be waited for. */
function crash(error: unknown): never {
  try {
    writeSync(2, `${error instanceof Error ? (error.stack ?? error.message) : `Error: ${String(error)}`}\n`);
  } catch {
    // nobody reads so much
  }
  process.exit(1);
}

/** What one record becomes. Throws what is no `Failure`. */
async function decoded(work: DecoderWork, { facts, bytes }: TaskMessage): Promise<AnswerMessage> {
  try {
    const { parts, head } = dismantle(await work(read(bytes), facts));
    let at = RESULTS_AT;
    for (const part of parts) at = write(part, at);
    write(head, at);
    const lengths = parts.map((part) => part.length);
    return { kind: 'done', parts: lengths, head: head.length, resident: process.memoryUsage.rss() };
  } catch (error) {
    if (error instanceof NoRoom) return { kind: 'unusable', code: 'NO_ROOM', message: error.message };
    if (!(error instanceof Failure)) throw error;
    const { code, message, hint } = error;
    return {
      kind: 'failed',
      code,
      message: message.slice(0, MOST_WORDS),
      hint: hint?.slice(0, MOST_WORDS),
      resident: process.memoryUsage.rss(),
    };
  }
}

async function take(task: TaskMessage): Promise<void> {
  let work: DecoderWork;
  try {
    work = await workOf(task.module);
  } catch (error) {
    answer({ kind: 'unusable', code: 'DECODER_START', message: `${error}`.slice(0, MOST_WORDS) });
    return;
  }
  // decoders that have to be loaded are no part of the record's time
  began[0] = processorSeconds();
  began[1] = milliseconds();
  const message = await decoded(work, task);
  began[1] = 0;
  answer(message);
}

process.on('message', (task: TaskMessage) => void take(task).catch(crash));
process.on('disconnect', () => endFamily(process.pid));
// libraries may listen for these themselves, and go on
process.prependListener('uncaughtException', crash);
process.prependListener('unhandledRejection', crash);
// what a terminal or a service manager says to all processes is for the one that started this one
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
if (process.platform === 'linux') {
  // where the system runs out of memory, this is the process to end
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // nothing depends on it
  }
}
const watch = new Worker(workerModule(import.meta.url, './watchWorker'), { workerData: watched });
watch.once('message', () => answer({ kind: 'ready', resident: process.memoryUsage.rss() }));
watch.unref();
