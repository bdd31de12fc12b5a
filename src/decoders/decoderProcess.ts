import { type ChildProcess, fork } from 'node:child_process';
import { PipelineError } from '../errors.ts';
import { workerModule } from '../run/pool.ts';
import { Failure } from '../sources/failure.ts';
import { type ExchangeFiles, openExchange, readAt, writeAt } from './exchangeFiles.ts';
import type { Limits } from './limits.ts';
import { type AnswerMessage, CAUSE_MARK, CAUSES, type TaskMessage } from './protocol.ts';
import { assemble } from './result.ts';

/** What a process has decoded; it lies in its file until it is read, and the process waits. */
export interface Decoded {
  readonly bytes: number;
  read(): Promise<unknown>;
}

/** Bytes of what a process says before it ends that are kept for the message. */
const LAST_WORDS = 2000;

type Done = Extract<AnswerMessage, { kind: 'done' }>;

/** A decoder process was ended by its watch, or by itself. */
export class DecoderEnded extends Failure {
  override name = 'DecoderEnded';
}

/** One process that decodes records, one at a time. */
export class DecoderProcess {
  readonly #child: ChildProcess;
  readonly #files: ExchangeFiles;
  readonly #limits: Limits;
  #words = '';
  #answered: ((answer: AnswerMessage) => void) | undefined;
  readonly #ended: Promise<string>;
  #over = false;
  /** Records that it has taken. */
  taken = 0;
  /** Resident bytes behind its latest record. */
  resident = 0;

  private constructor(child: ChildProcess, files: ExchangeFiles, limits: Limits) {
    this.#child = child;
    this.#files = files;
    this.#limits = limits;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-LAST_WORDS);
    });
    child.on('message', (answer: AnswerMessage) => this.#answered?.(answer));
    this.#ended = new Promise((resolve) => {
      child.once('error', ({ message }) => resolve(message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    void this.#ended.then(() => {
      this.#over = true;
    });
  }

  /** Starts a process; it keeps this one alive only while it works. */
  static async start(limits: Limits): Promise<DecoderProcess> {
    const files = await openExchange(2 * limits.decodedBytes);
    const { seconds, memoryBytes } = limits;
    const child = fork(workerModule(import.meta.url, './decoderMain'), [JSON.stringify({ seconds, memoryBytes })], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', files.tasks.fd, files.results.fd],
      serialization: 'json',
      execArgv: [`--max-old-space-size=${Math.max(64, Math.floor(memoryBytes / 2 ** 20))}`, '--no-warnings'],
    });
    const started = new DecoderProcess(child, files, limits);
    try {
      await started.#answer();
    } catch (cause) {
      await started.end();
      throw new PipelineError(
        `a decoder process cannot be started: ${started.#words.trim().split('\n').at(-1) ?? ''}`,
        {
          code: 'DECODER_START',
          cause,
        },
      );
    }
    started.#idle();
    return started;
  }

  get over(): boolean {
    return this.#over;
  }

  /**
   * Has one record decoded.
   * @throws Failure as the decoder throws it; `DecoderEnded` where the process was ended over it
   */
  async decode(module: string, bytes: Uint8Array, facts: unknown): Promise<Decoded> {
    this.taken++;
    this.#child.ref();
    this.#child.channel?.ref();
    const task: TaskMessage = { module, facts, bytes: bytes.length };
    const answer = await this.#answer(async () => {
      await writeAt(this.#files.tasks, bytes, 0);
      this.#child.send(task);
    });
    this.#idle();
    if (answer.kind === 'failed') throw new Failure(answer.code, answer.message, answer.hint);
    const done = answer as Done;
    this.resident = done.resident;
    const total = done.parts.reduce((sum, part) => sum + part, done.head);
    return { bytes: total, read: () => this.#read(done) };
  }

  async #read({ parts, head }: Done): Promise<unknown> {
    const arrays: Uint8Array<ArrayBuffer>[] = [];
    let at = 0;
    for (const length of parts) {
      arrays.push(await readAt(this.#files.results, at, length));
      at += length;
    }
    return assemble(await readAt(this.#files.results, at, head), arrays);
  }

  #idle(): void {
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** What the process says next. @throws DecoderEnded where it ends instead */
  async #answer(begin?: () => Promise<void>): Promise<AnswerMessage> {
    const answer = new Promise<AnswerMessage>((resolve) => {
      this.#answered = resolve;
    });
    // a channel that has closed says so by the end of the process
    begin?.().catch(() => this.#child.kill('SIGKILL'));
    const outcome = await Promise.race([answer, this.#ended]);
    this.#answered = undefined;
    if (typeof outcome !== 'string') return outcome;
    throw await this.#why(outcome);
  }

  async #why(ending: string): Promise<DecoderEnded> {
    const { seconds, memoryBytes } = this.#limits;
    const left = Buffer.from(
      await readAt(this.#files.results, 0, CAUSE_MARK.length + 1).catch(() => new Uint8Array(0)),
    );
    const cause = left.subarray(0, -1).toString('latin1') === CAUSE_MARK ? left.at(-1) : undefined;
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
    const words = this.#words.split('\n').find((line) => /error|fatal|abort|assert/i.test(line)) ?? '';
    return new DecoderEnded(
      'DECODER_CRASHED',
      `the decoder crashed (${ending})${words === '' ? '' : `: ${words.trim()}`}`,
      'The run goes on without this record; please report the file.',
    );
  }

  /** Ends the process, whatever it is doing. */
  async end(): Promise<void> {
    if (!this.#over) {
      this.#child.kill('SIGKILL');
      await this.#ended;
    }
    await Promise.allSettled([this.#files.tasks.close(), this.#files.results.close()]);
  }
}
