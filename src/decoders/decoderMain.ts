import { readSync, writeFileSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { workerModule } from '../run/pool.ts';
import { Failure } from '../sources/failure.ts';
import { processorSeconds } from './processorTime.ts';
import { type AnswerMessage, type DecoderWork, RESULTS_FD, TASKS_FD, type TaskMessage } from './protocol.ts';
import { dismantle } from './result.ts';
import type { Watched } from './watchWorker.ts';

/** One process that decodes: one record at a time, watched by a thread of its own, and worth nothing to anybody else. */

const { seconds, memoryBytes } = JSON.parse(process.argv[2] ?? '{}') as Pick<Watched, 'seconds' | 'memoryBytes'>;

const began = new Float64Array(new SharedArrayBuffer(16));
const watched: Watched = { began, seconds, memoryBytes, parent: process.ppid };
new Worker(workerModule(import.meta.url, './watchWorker'), { workerData: watched }).unref();

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
  const into = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const read = readSync(TASKS_FD, into, done, bytes - done, done);
    if (read === 0) throw new Error('the task is shorter than it was said to be');
    done += read;
  }
  return into;
}

function write(bytes: Uint8Array, at: number): number {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(RESULTS_FD, bytes, done, bytes.length - done, at + done);
  }
  return at + bytes.length;
}

const answer = (message: AnswerMessage): void => {
  process.send?.(message);
};

async function take({ module, facts, bytes }: TaskMessage): Promise<void> {
  const work = await workOf(module);
  // decoders that have to be loaded are no part of the record's time
  began[0] = processorSeconds();
  began[1] = Date.now();
  try {
    const { parts, head } = dismantle(await work(read(bytes), facts));
    let at = 0;
    for (const part of parts) at = write(part, at);
    write(head, at);
    answer({
      kind: 'done',
      parts: parts.map((part) => part.length),
      head: head.length,
      resident: process.memoryUsage.rss(),
    });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    answer({ kind: 'failed', code: error.code, message: error.message, hint: error.hint });
  } finally {
    began[1] = 0;
  }
}

process.on('message', (task: TaskMessage) => void take(task));
process.on('disconnect', () => process.exit());
// what the terminal says to all its processes is for the one that started this one
process.on('SIGINT', () => {});
if (process.platform === 'linux') {
  // where the system runs out of memory, this is the process to end
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // nothing depends on it
  }
}
answer({ kind: 'ready' });
