import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { stripVTControlCharacters } from 'node:util';
import { ModelError } from '../../errors.ts';
import { workerModule } from '../../run/pool.ts';
import type { ForwardResult, ForwardTask } from '../cpu/forward.ts';
import { deviceName } from './device.ts';
import type {
  DeviceFailure,
  DeviceMessage,
  DeviceReply,
  DeviceRequest,
  DeviceResult,
  DeviceSpec,
  DeviceTimes,
  ForgetRequest,
  OpenedDevice,
} from './deviceProtocol.ts';

const MAINS = {
  onnx: workerModule(import.meta.url, '../cpu/providers/providerMain'),
  webgpu: workerModule(import.meta.url, '../gpu/gpuMain'),
} as const;
/** Batches of tokens that the process has: one is computed, one lies ready, one is on its way. */
const BATCHES = 3;
/** Passes that it has, however long they are: one is computed while the next one lies ready. */
const LEAST_IN_HAND = 2;
const UNAVAILABLE = 'DEVICE_UNAVAILABLE';
const STDERR_CHARS = 1000;
const PATIENCE_MS = 10_000;
/** A batch takes a GPU milliseconds, and a software adapter, with a large model, a few minutes. */
const ANSWER_MS = 30 * 60_000;
/** Keys and values stay in the device's process. */
const ELSEWHERE = new Float32Array(new SharedArrayBuffer(0));

interface Waiting {
  readonly request: DeviceRequest;
  readonly priority: number;
  readonly tokens: number;
  readonly signal: AbortSignal | undefined;
  resolve(reply: DeviceReply): void;
  reject(error: unknown): void;
}

/** How the process is run: for tests. */
export interface ProcessOptions {
  /** Module of its program. */
  readonly main?: string | undefined;
  /** A process that has not ended by itself for so long hangs in a driver, and is killed. Default: 10 s. */
  readonly patienceMs?: number | undefined;
  /** A process that has work and gives no answer for so long is lost. Default: 30 minutes. */
  readonly answerMs?: number | undefined;
}

export interface OpenDevice {
  readonly process: DeviceProcess;
  readonly opened: OpenedDevice;
}

/**
 * A model on a device, in a process of its own, which is sent a few batches of passes at a time, the smallest priority
 * first. The process ends with this one, and does not keep it from ending.
 */
export class DeviceProcess {
  readonly #path: string;
  readonly #device: string;
  readonly #child: ChildProcess;
  readonly #patienceMs: number;
  readonly #answerMs: number;
  #overdue: NodeJS.Timeout | undefined;
  readonly #ended: Promise<void>;
  readonly #waiting: Waiting[] = [];
  readonly #inHand = new Map<number, Waiting>();
  #tokensInHand = 0;
  #mostTokens = 0;
  #requests = 0;
  /** Documents whose keys and values the process holds. */
  readonly #held = new Set<number>();
  #stderr = '';
  #lost: ModelError | undefined;

  private constructor(path: string, spec: DeviceSpec, options: ProcessOptions) {
    const { main = MAINS[spec.kind], patienceMs = PATIENCE_MS, answerMs = ANSWER_MS } = options;
    this.#path = path;
    this.#device = deviceName(spec);
    this.#patienceMs = patienceMs;
    this.#answerMs = answerMs;
    this.#child = fork(main, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: process.execArgv.filter((flag) => flag.startsWith('--conditions=')),
    });
    this.#child.on('message', (reply: DeviceReply) => {
      const waiting = this.#inHand.get(reply.id);
      // nobody waits for what comes after it was lost
      if (waiting === undefined) return;
      this.#inHand.delete(reply.id);
      this.#tokensInHand -= waiting.tokens;
      waiting.resolve(reply);
      this.#send();
    });
    this.#ended = Promise.all([this.#exit(), this.#quiet()]).then(() => {});
  }

  /**
   * Opens a model on a device and checks what it computes. Throws ModelError `NO_DEVICE`, `DEVICE_UNAVAILABLE`,
   * `DEVICE_WRONG`, or what reading the model throws.
   */
  static async open(path: string, spec: DeviceSpec, options: ProcessOptions = {}): Promise<OpenDevice> {
    const process = new DeviceProcess(path, spec, options);
    const answer = await process
      .#ask({ kind: 'open', path, spec })
      .then(
        (reply) => ('opened' in reply ? reply.opened : 'failure' in reply ? reply.failure : unavailable('no answer')),
        unavailable,
      );
    if ('agreement' in answer) {
      process.#mostTokens = BATCHES * answer.batchTokens;
      return { process, opened: answer };
    }
    // by then all that it said has come
    await process.close();
    const failure = answer;
    const words = failure.code === UNAVAILABLE ? wordsOf(process.#stderr) : '';
    throw new ModelError(failure.message + (words === '' ? '' : ` [${words}]`), { ...failure });
  }

  /** Computes one pass. Throws ModelError `DEVICE_LOST`; so do all passes after it, since what it held is gone. */
  async pass(
    document: number,
    { past, into: _, ...task }: ForwardTask,
    priority: number,
    signal: AbortSignal | undefined,
  ): Promise<ForwardResult> {
    const request: DeviceRequest = { kind: 'pass', document, priority, task: { ...task, pastRows: past?.rows ?? 0 } };
    const reply = await this.#ask(request, { priority, signal, tokens: task.tokens.length });
    if ('failure' in reply && reply.failure.ofPass) throw new ModelError(reply.failure.message, { ...reply.failure });
    if (!('result' in reply)) throw this.#lose('failure' in reply ? reply.failure.message : 'it gave no result');
    if (reply.result.nextRows > 0) this.#held.add(document);
    else this.#held.delete(document);
    return ownResult(reply.result);
  }

  /** Gives up what is held for a document; none of its passes may be under way. */
  forget(document: number): void {
    if (!this.#held.delete(document) || !this.#child.connected) return;
    this.#child.send({ kind: 'forget', document } satisfies ForgetRequest, () => {});
  }

  /** Why nothing can be computed any more. */
  get lost(): ModelError | undefined {
    return this.#lost;
  }

  /** Tokens of passes that were asked for and have not come back. */
  get load(): number {
    return this.#waiting.reduce((sum, { tokens }) => sum + tokens, this.#tokensInHand);
  }

  /** Times of all kernels so far. Throws ModelError where the device was not opened to be timed. */
  async times(): Promise<DeviceTimes> {
    const reply = await this.#ask({ kind: 'times' });
    if ('times' in reply) return reply.times;
    throw new ModelError('failure' in reply ? reply.failure.message : 'no answer', { code: 'NO_TIMES' });
  }

  /** Ends the process; passes under way fail. */
  async close(): Promise<void> {
    this.#lose('it was closed');
    this.#keep(true);
    await this.#ended;
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
      if (!stderr) return resolve();
      stderr.once('close', resolve);
      stderr.setEncoding('utf8').on('data', (text: string) => {
        this.#stderr = (this.#stderr + stripVTControlCharacters(text)).slice(-STDERR_CHARS);
      });
    });
  }

  #ask(
    request: DeviceRequest,
    how: { readonly priority?: number; readonly tokens?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<DeviceReply> {
    const { priority = 0, tokens = 0, signal } = how;
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      let place = this.#waiting.length;
      while (place > 0 && (this.#waiting[place - 1]?.priority ?? 0) > priority) place--;
      this.#waiting.splice(place, 0, { request, priority, tokens, signal, resolve, reject });
      this.#send();
    });
  }

  #send(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined) break;
      if (this.#inHand.size >= LEAST_IN_HAND && this.#tokensInHand + next.tokens > this.#mostTokens) break;
      this.#waiting.shift();
      if (next.signal?.aborted) {
        next.reject(next.signal.reason);
        continue;
      }
      const id = this.#requests++;
      this.#inHand.set(id, next);
      this.#tokensInHand += next.tokens;
      // where it cannot be sent, the process has ended, and its end is heard of
      this.#child.send({ id, ...next.request } satisfies DeviceMessage, () => {});
    }
    this.#keep(this.#inHand.size > 0);
    this.#expect(this.#inHand.size > 0);
  }

  /** A driver that hangs says nothing; whoever waits for it would wait forever. */
  #expect(answer: boolean): void {
    clearTimeout(this.#overdue);
    const lose = () => this.#lose(`no answer for ${this.#answerMs / 1000} seconds`);
    this.#overdue = answer ? setTimeout(lose, this.#answerMs).unref() : undefined;
  }

  /** Whether this process goes on because of the other one. */
  #keep(awake: boolean): void {
    const { stderr, channel } = this.#child;
    const handles = [this.#child, ...(stderr instanceof Socket ? [stderr] : []), ...(channel ? [channel] : [])];
    for (const handle of handles) awake ? handle.ref() : handle.unref();
  }

  #lose(reason: string): ModelError {
    if (this.#lost !== undefined) return this.#lost;
    this.#lost = new ModelError(`${this.#device} failed while it ran the model in ${this.#path}: ${reason}`, {
      code: 'DEVICE_LOST',
      path: this.#path,
      hint: 'A run resumes when it is started again; --device cpu needs no device. Of memory, --gpu-memory takes less.',
    });
    this.#end();
    this.#expect(false);
    const failed = [...this.#inHand.values(), ...this.#waiting.splice(0)];
    this.#inHand.clear();
    this.#tokensInHand = 0;
    this.#keep(false);
    for (const waiting of failed) waiting.reject(this.#lost);
    return this.#lost;
  }

  /** Lets the process end, as soon as no pass is under way; one that hangs in a driver does not hear it, and is killed. */
  #end(): void {
    if (this.#child.connected) this.#child.disconnect();
    const kill = (): unknown => this.#child.kill('SIGKILL');
    const patience = setTimeout(kill, this.#patienceMs).unref();
    process.once('exit', kill);
    void this.#ended.then(() => {
      clearTimeout(patience);
      process.off('exit', kill);
    });
  }
}

/** What a library said on stderr, once each, without the places in its sources. */
function wordsOf(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== '' && !line.startsWith('at ')))].join(' ');
}

function unavailable(error: unknown): DeviceFailure {
  return { code: UNAVAILABLE, message: error instanceof Error ? error.message : String(error) };
}

/** What came in one message lies in one buffer: each array gets its own. */
function ownResult({ entropies, norms, preNorm, logits, pooled, nextRows }: DeviceResult): ForwardResult {
  return {
    entropies: entropies.slice(),
    norms: norms.slice(),
    ...(preNorm === undefined ? {} : { preNorm: preNorm.slice() }),
    ...(logits === undefined ? {} : { logits: logits.slice() }),
    ...(pooled === undefined ? {} : { pooled: { ends: pooled.ends.slice(), means: pooled.means.slice() } }),
    ...(nextRows === 0 ? {} : { next: { rows: nextRows, data: ELSEWHERE } }),
  };
}
