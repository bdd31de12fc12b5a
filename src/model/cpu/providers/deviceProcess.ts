import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { stripVTControlCharacters } from 'node:util';
import { ModelError } from '../../../errors.ts';
import { workerModule } from '../../../run/pool.ts';
import type { ForwardResult, ForwardTask } from '../forward.ts';
import type { Agreement, DeviceFailure, DeviceReply, DeviceRequest, DeviceResult } from './deviceProtocol.ts';

const MAIN = workerModule(import.meta.url, './deviceMain');
/** One pass is computed while the next one lies ready. */
const IN_HAND = 2;
const UNAVAILABLE = 'DEVICE_UNAVAILABLE';
const STDERR_CHARS = 1000;
/** A process that has not ended by itself for so long hangs in a driver. */
const PATIENCE_MS = 10_000;
/** Keys and values stay in the device's process. */
const ELSEWHERE = new Float32Array(new SharedArrayBuffer(0));

interface Waiting {
  readonly request: DeviceRequest;
  readonly priority: number;
  readonly signal: AbortSignal | undefined;
  resolve(reply: DeviceReply): void;
  reject(error: unknown): void;
}

export interface OpenDevice {
  readonly process: DeviceProcess;
  readonly agreement: Agreement;
}

/**
 * A model on a device, in a process of its own: passes go one by one, the smallest priority first. The process ends with
 * this one, and does not keep it from ending.
 */
export class DeviceProcess {
  readonly #path: string;
  readonly #device: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting: Waiting[] = [];
  readonly #inHand: Waiting[] = [];
  /** Documents whose keys and values the process holds. */
  readonly #held = new Set<number>();
  #stderr = '';
  #lost: ModelError | undefined;

  private constructor(path: string, provider: string) {
    this.#path = path;
    this.#device = `onnx:${provider}`;
    this.#child = fork(MAIN, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: process.execArgv.filter((flag) => flag.startsWith('--conditions=')),
    });
    this.#child.on('message', (reply: DeviceReply) => {
      this.#inHand.shift()?.resolve(reply);
      this.#send();
    });
    this.#ended = Promise.all([this.#exit(), this.#quiet()]).then(() => {});
  }

  /**
   * Opens a model on a device and checks what it computes. Throws ModelError `NO_DEVICE`, `DEVICE_UNAVAILABLE`,
   * `DEVICE_WRONG`, or what reading the model throws.
   */
  static async open(path: string, provider: string): Promise<OpenDevice> {
    const opened = new DeviceProcess(path, provider);
    const failure = await opened
      .#ask({ kind: 'open', path, provider }, 0, undefined)
      .then(
        (reply) => ('opened' in reply ? reply.opened : 'failure' in reply ? reply.failure : unavailable('no answer')),
        unavailable,
      );
    if ('tokens' in failure) return { process: opened, agreement: failure };
    // by then all that it said has come
    await opened.close();
    const said = failure.code === UNAVAILABLE ? opened.#stderr.replaceAll(/\s+/g, ' ').trim() : '';
    throw new ModelError(failure.message + (said === '' ? '' : ` [${said}]`), { ...failure });
  }

  /** Computes one pass. Throws ModelError `DEVICE_LOST`; so do all passes after it, since what it held is gone. */
  async pass(
    document: number,
    { past, into: _, ...task }: ForwardTask,
    priority: number,
    signal: AbortSignal | undefined,
  ): Promise<ForwardResult> {
    const request: DeviceRequest = { kind: 'pass', document, task: { ...task, pastRows: past?.rows ?? 0 } };
    const reply = await this.#ask(request, priority, signal);
    if (!('result' in reply)) throw this.#lose('failure' in reply ? reply.failure.message : 'it gave no result');
    if (reply.result.nextRows > 0) this.#held.add(document);
    else this.#held.delete(document);
    return ownResult(reply.result);
  }

  /** Gives up what is held for a document; none of its passes may be under way. */
  forget(document: number): void {
    if (!this.#held.delete(document) || !this.#child.connected) return;
    this.#child.send({ kind: 'forget', document } satisfies DeviceRequest, () => {});
  }

  /** Ends the process; passes under way fail. */
  async close(): Promise<void> {
    this.#keep(true);
    this.#lose('it was closed');
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    await this.#ended;
    clearTimeout(kill);
  }

  /** When the process has ended, or could not be started. */
  #exit(): Promise<void> {
    return new Promise((resolve) => {
      const end = (reason: string): void => {
        this.#lose(reason);
        resolve();
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) => end(`its process ended with ${signal ?? `exit code ${code}`}`));
    });
  }

  /** When all that it said has come. */
  #quiet(): Promise<void> {
    return new Promise((resolve) => {
      const { stderr } = this.#child;
      if (stderr === null) return resolve();
      stderr.once('close', resolve);
      stderr.setEncoding('utf8').on('data', (text: string) => {
        this.#stderr = (this.#stderr + stripVTControlCharacters(text)).slice(-STDERR_CHARS);
      });
    });
  }

  #ask(request: DeviceRequest, priority: number, signal: AbortSignal | undefined): Promise<DeviceReply> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      let place = this.#waiting.length;
      while (place > 0 && (this.#waiting[place - 1]?.priority ?? 0) > priority) place--;
      this.#waiting.splice(place, 0, { request, priority, signal, resolve, reject });
      this.#send();
    });
  }

  #send(): void {
    while (this.#inHand.length < IN_HAND) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (next.signal?.aborted) {
        next.reject(next.signal.reason);
        continue;
      }
      this.#inHand.push(next);
      // where it cannot be sent, the process has ended, and its end is heard of
      this.#child.send(next.request, () => {});
    }
    this.#keep(this.#inHand.length > 0);
  }

  /** Whether this process goes on because of the other one. */
  #keep(awake: boolean): void {
    const { stderr, channel } = this.#child;
    const handles = [this.#child, ...(stderr instanceof Socket ? [stderr] : []), ...(channel ? [channel] : [])];
    for (const handle of handles) awake ? handle.ref() : handle.unref();
  }

  #lose(reason: string): ModelError {
    this.#lost ??= new ModelError(`${this.#device} failed while it ran the model in ${this.#path}: ${reason}`, {
      code: 'DEVICE_LOST',
      path: this.#path,
      hint: 'If the device ran out of memory, give a smaller pieceBytes. Run again to resume, or use the CPU.',
    });
    // which ends it, as soon as no pass is under way
    if (this.#child.connected) this.#child.disconnect();
    for (const waiting of [...this.#inHand.splice(0), ...this.#waiting.splice(0)]) waiting.reject(this.#lost);
    return this.#lost;
  }
}

function unavailable(error: unknown): DeviceFailure {
  return { code: UNAVAILABLE, message: error instanceof Error ? error.message : String(error) };
}

/** What came in one message lies in one buffer: each array gets its own. */
function ownResult({ entropies, norms, preNorm, logits, nextRows }: DeviceResult): ForwardResult {
  return {
    entropies: entropies.slice(),
    norms: norms.slice(),
    ...(preNorm === undefined ? {} : { preNorm: preNorm.slice() }),
    ...(logits === undefined ? {} : { logits: logits.slice() }),
    ...(nextRows === 0 ? {} : { next: { rows: nextRows, data: ELSEWHERE } }),
  };
}
