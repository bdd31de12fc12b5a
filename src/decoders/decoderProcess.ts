import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { PipelineError } from '../errors.ts';
import { workerModule } from '../run/pool.ts';
import { Failure } from '../sources/failure.ts';
import { decoderEnvironment } from './environment.ts';
import { type ExchangeFiles, giveBack, openExchange, readAt, writeAt } from './exchangeFiles.ts';
import { endFamily, IN_GROUPS } from './family.ts';
import type { Limits } from './limits.ts';
import { type AnswerMessage, CAUSES, RESULTS_AT, type TaskMessage } from './protocol.ts';
import { assemble } from './result.ts';

/** What a process has decoded; it lies in its file until it is read, and the process waits. */
export interface Decoded {
  readonly bytes: number;
  read(): Promise<unknown>;
}

/** Characters of what a process says before it ends that are kept for the message. */
const LAST_WORDS = 16 << 10;
/** Milliseconds in which a process must be ready. */
const START = 60_000;
/** Milliseconds for the last words of a process that has ended: a program that it started may hold on to their pipe. */
const FAREWELL = 200;

type Done = Extract<AnswerMessage, { kind: 'done' }>;

/** A decoder process was ended by its watch, by itself, or from outside. */
export class DecoderEnded extends Failure {
  override name = 'DecoderEnded';
  /** It was killed, and neither its watch nor this process did it: a person, or a system that runs out of memory. */
  readonly fromOutside: boolean;

  constructor(code: string, message: string, hint: string, fromOutside = false) {
    super(code, message, hint);
    this.fromOutside = fromOutside;
  }
}

const noRoom = (message: string): PipelineError =>
  new PipelineError(`a decoder process cannot hand over what it has decoded: ${message}`, {
    code: 'DECODER_ROOM',
    hint: 'Free some of /dev/shm or of the folder for temporary files, or lower limits.decodedBytes or limits.processes.',
  });

const cannotStart = (message: string, cause?: unknown): PipelineError =>
  new PipelineError(`a decoder process cannot be started: ${message}`, { code: 'DECODER_START', cause });

/** One process that decodes records, one at a time. */
export class DecoderProcess {
  readonly #child: ChildProcess;
  readonly #files: ExchangeFiles;
  readonly #limits: Limits;
  #words = '';
  #answered: ((answer: AnswerMessage) => void) | undefined;
  /** How it ended. */
  readonly #ended: Promise<string>;
  #over = false;
  #ending = false;
  #closed: Promise<unknown> | undefined;
  /** Resident bytes when it was ready, and behind its latest record. */
  #atFirst = 0;
  #resident = 0;

  private constructor(child: ChildProcess, files: ExchangeFiles, limits: Limits) {
    this.#child = child;
    this.#files = files;
    this.#limits = limits;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-LAST_WORDS);
    });
    child.on('message', (answer: AnswerMessage) => this.#answered?.(answer));
    const ended = new Promise<string>((resolve) => {
      // also where a message cannot be sent: the process is ending then, or of no use
      child.on('error', ({ message }) => {
        if (child.pid !== undefined) endFamily(child.pid);
        else resolve(message);
      });
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    this.#ended = ended.then(async (how) => {
      this.#over = true;
      if (child.pid !== undefined) endFamily(child.pid);
      const { stderr } = child;
      if (stderr !== null && !stderr.closed) await Promise.race([once(stderr, 'close'), wait(FAREWELL)]);
      return how;
    });
  }

  /**
   * Starts a process; it keeps this one alive only while it works.
   *
   * @throws PipelineError `DECODER_START`
   */
  static async start(limits: Limits): Promise<DecoderProcess> {
    const files = await openExchange(2 * limits.decodedBytes).catch((cause: Error) => {
      throw cannotStart(cause.message, cause);
    });
    const started = new DecoderProcess(await forked(files, limits), files, limits);
    const late = setTimeout(() => void started.end(), START);
    try {
      const answer = await started.#answer();
      started.#atFirst = answer.kind === 'ready' ? answer.resident : 0;
    } catch (cause) {
      await started.end();
      const words = started.#words.split('\n').find((line) => /error/i.test(line));
      throw cannotStart(words ?? (cause instanceof Error ? cause.message : ''), cause);
    } finally {
      clearTimeout(late);
    }
    started.#idle();
    return started;
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether its records have left it with less than half of the memory that it began with. */
  get worn(): boolean {
    return 2 * this.#resident > this.#atFirst + this.#limits.memoryBytes;
  }

  /**
   * Has one record decoded.
   *
   * @throws Failure as the decoder throws it; `DecoderEnded` where the process was ended over it; PipelineError
   *   `DECODER_START` where the module cannot be loaded, `DECODER_ROOM` where the exchange files cannot grow
   */
  async decode(module: string, bytes: Uint8Array, facts: unknown): Promise<Decoded> {
    this.#child.ref();
    this.#child.channel?.ref();
    await writeAt(this.#files.tasks, bytes, 0).catch(({ message }: Error) => {
      throw noRoom(message);
    });
    const task: TaskMessage = { module, facts, bytes: bytes.length };
    const answer = await this.#answer(task);
    this.#idle();
    await giveBack(this.#files.tasks, bytes.length);
    switch (answer.kind) {
      case 'done':
        this.#resident = answer.resident;
        return {
          bytes: answer.parts.reduce((sum, part) => sum + part, answer.head),
          read: () => this.#read(answer),
        };
      case 'failed':
        this.#resident = answer.resident;
        throw new Failure(answer.code, answer.message, answer.hint);
      case 'unusable':
        throw answer.code === 'NO_ROOM' ? noRoom(answer.message) : cannotStart(answer.message);
      default:
        throw new Error(`a decoder process answers '${answer.kind}'`);
    }
  }

  async #read({ parts, head }: Done): Promise<unknown> {
    const { results } = this.#files;
    const arrays: Uint8Array<ArrayBuffer>[] = [];
    let at = RESULTS_AT;
    for (const length of parts) {
      arrays.push(await readAt(results, at, length));
      at += length;
    }
    const value = assemble(await readAt(results, at, head), arrays);
    await giveBack(results, at + head);
    return value;
  }

  #idle(): void {
    this.#child.unref();
    this.#child.channel?.unref();
    if (this.#child.stderr instanceof Socket) this.#child.stderr.unref();
  }

  /** What the process says next. @throws DecoderEnded where it ends instead */
  async #answer(task?: TaskMessage): Promise<AnswerMessage> {
    const answer = new Promise<AnswerMessage>((resolve) => {
      this.#answered = resolve;
    });
    // where the channel has closed, the end of the process says so
    if (task !== undefined) this.#child.send(task, () => {});
    const outcome = await Promise.race([answer, this.#ended]);
    this.#answered = undefined;
    if (typeof outcome !== 'string') return outcome;
    throw await this.#why(outcome);
  }

  async #why(ending: string): Promise<DecoderEnded> {
    const { seconds, memoryBytes } = this.#limits;
    const [cause] = await readAt(this.#files.results, 0, 1).catch(() => []);
    if (cause === CAUSES.time) {
      return new DecoderEnded(
        'DECODE_TIME',
        `decoding takes more than ${seconds} s of processor time, or ${6 * seconds} s on the clock`,
        'The file may be made to hang decoders. Raise it with pretokenize({ limits: { seconds } }).',
      );
    }
    if (cause === CAUSES.memory || /heap out of memory|heap limit/i.test(this.#words)) {
      return new DecoderEnded(
        'DECODE_MEMORY',
        `decoding takes more than ${memoryBytes} bytes of memory`,
        'The file may be made to fill memory. Raise it with pretokenize({ limits: { memoryBytes } }).',
      );
    }
    if (ending === 'SIGKILL' && !this.#ending) {
      return new DecoderEnded(
        'DECODER_CRASHED',
        'the decoder was killed (SIGKILL), each time that it was tried',
        'The run goes on without this record. Systems that run out of memory do so: see --memory, or limits.processes.',
        true,
      );
    }
    const words = this.#words.split('\n').find((line) => /error|fatal|abort|assert/i.test(line)) ?? '';
    return new DecoderEnded(
      'DECODER_CRASHED',
      `the decoder crashed (${ending})${words === '' ? '' : `: ${words.trim()}`}`,
      'The run goes on without this record; please report the file.',
    );
  }

  /** Ends the process, whatever it is doing, with the programs that it has started. */
  async end(): Promise<void> {
    this.#ending = true;
    if (!this.#over) {
      // whoever waits for the end is kept alive until then
      this.#child.ref();
      if (this.#child.pid !== undefined) endFamily(this.#child.pid);
    }
    await this.#ended;
    const { tasks, results } = this.#files;
    this.#closed ??= Promise.allSettled([tasks.close(), results.close()]);
    await this.#closed;
  }
}

/** @throws PipelineError `DECODER_START` */
async function forked({ tasks, results }: ExchangeFiles, limits: Limits): Promise<ChildProcess> {
  const { seconds, memoryBytes } = limits;
  try {
    return fork(workerModule(import.meta.url, './decoderMain'), [JSON.stringify({ seconds, memoryBytes })], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', tasks.fd, results.fd],
      serialization: 'json',
      detached: IN_GROUPS,
      env: decoderEnvironment(),
      execArgv: [`--max-old-space-size=${Math.max(64, Math.floor(memoryBytes / 2 ** 20))}`, '--no-warnings'],
    });
  } catch (cause) {
    await Promise.allSettled([tasks.close(), results.close()]);
    throw cannotStart(cause instanceof Error ? cause.message : '', cause);
  }
}
