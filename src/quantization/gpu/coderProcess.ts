import { type ChildProcess, fork } from 'node:child_process';
import { DeviceError } from '../../errors.ts';
import type { AdapterChoice } from '../../gpu/index.ts';
import { workerModule } from '../../run/pool.ts';
import type { CoderMessage, CoderReply, CoderRequest } from './coderProtocol.ts';

const MAIN = workerModule(import.meta.url, './coderMain');
const PATIENCE_MS = 10_000;
/** A piece takes a GPU milliseconds, and a software adapter seconds. */
const ANSWER_MS = 5 * 60_000;

interface Waiting {
  resolve(reply: CoderReply): void;
  reject(error: DeviceError): void;
}

/** How the process is run: for tests. */
export interface CoderProcessOptions {
  /** Module of its program. */
  readonly main?: string | undefined;
  /** A process that has not ended by itself for so long hangs in a driver, and is killed. Default: 10 s. */
  readonly patienceMs?: number | undefined;
  /** A process that has work and gives no answer for so long is lost. Default: 5 minutes. */
  readonly answerMs?: number | undefined;
}

/**
 * A GPU in a process of its own that encodes and decodes for this one. It ends with this one, and does not keep it from
 * ending.
 */
export class CoderProcess {
  readonly name: string;
  readonly #adapter: AdapterChoice;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #patienceMs: number;
  readonly #answerMs: number;
  #overdue: NodeJS.Timeout | undefined;
  #numbers = 0;
  #lost: DeviceError | undefined;

  /** @param name the device's, for messages */
  constructor(name: string, adapter: AdapterChoice, options: CoderProcessOptions = {}) {
    this.name = name;
    this.#adapter = adapter;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#answerMs = options.answerMs ?? ANSWER_MS;
    this.#child = fork(options.main ?? MAIN, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: process.execArgv.filter((flag) => flag.startsWith('--conditions=')),
    });
    this.#child.on('message', (reply: CoderReply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
      this.#expect();
    });
    this.#ended = new Promise((resolve) => {
      const end = (reason: string): void => {
        this.#lose(reason);
        resolve();
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) => end(`its process ended with ${signal ?? `exit code ${code}`}`));
    });
    this.#expect();
  }

  /** Why nothing can be encoded any more. */
  get lost(): DeviceError | undefined {
    return this.#lost;
  }

  /** Requests that have no answer yet. */
  get load(): number {
    return this.#waiting.size;
  }

  get adapter(): AdapterChoice {
    return this.#adapter;
  }

  /** A number that no other request for a quantizer of this process has. */
  number(): number {
    return this.#numbers++;
  }

  /** What the process answers, failures too. Throws DeviceError `DEVICE_LOST` where it is lost before it has. */
  ask(request: CoderRequest): Promise<CoderReply> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      const id = this.number();
      this.#waiting.set(id, { resolve, reject });
      // where it cannot be sent, the process has ended, and its end is heard of
      this.#child.send({ id, ...request } satisfies CoderMessage, () => {});
      this.#expect();
    });
  }

  /** Ends the process; what it was asked for fails. */
  async close(): Promise<void> {
    this.#lose('it was closed');
    this.#keep(true);
    await this.#ended;
  }

  /** A driver that hangs says nothing; whoever waits for it would wait forever. */
  #expect(): void {
    clearTimeout(this.#overdue);
    const isBusy = this.#waiting.size > 0;
    const lose = () => this.#lose(`no answer for ${this.#answerMs / 1000} seconds`);
    this.#overdue = isBusy ? setTimeout(lose, this.#answerMs).unref() : undefined;
    this.#keep(isBusy);
  }

  /** Whether this process goes on because of the other one. */
  #keep(awake: boolean): void {
    const { channel } = this.#child;
    for (const handle of [this.#child, ...(channel ? [channel] : [])]) awake ? handle.ref() : handle.unref();
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new DeviceError(`${this.name} failed while it encoded: ${reason}`, {
      code: 'DEVICE_LOST',
      hint: 'The CPU makes the same codes.',
    });
    const failed = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#expect();
    if (this.#child.connected) this.#child.disconnect();
    const kill = (): unknown => this.#child.kill('SIGKILL');
    const patience = setTimeout(kill, this.#patienceMs).unref();
    process.once('exit', kill);
    void this.#ended.then(() => {
      clearTimeout(patience);
      process.off('exit', kill);
    });
    for (const { reject } of failed) reject(this.#lost);
  }
}
