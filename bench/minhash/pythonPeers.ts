import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';

/** Libraries whose arithmetic peers.py restates. */
export type PythonPeer = 'datatrove' | 'datasketch';

/** peers.py in a process of its own, on one thread. */
export class PythonPeers {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process;
    process.stderr.pipe(globalThis.process.stderr);
    this.#lines = createInterface({ input: process.stdout });
  }

  /** Undefined where there is no Python with numpy. */
  static async open(texts: readonly string[]): Promise<PythonPeers | undefined> {
    if (spawnSync('python3', ['-c', 'import numpy']).status !== 0) return undefined;
    const env = { ...process.env, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' };
    const peers = new PythonPeers(spawn('python3', [path.join(import.meta.dirname, 'peers.py')], { env }));
    await peers.#ask(JSON.stringify(texts));
    return peers;
  }

  /** CPU seconds of one round over all texts. */
  async seconds(peer: PythonPeer): Promise<number> {
    return Number(await this.#ask(peer));
  }

  close(): void {
    this.#process.kill();
  }

  async #ask(line: string): Promise<string> {
    const answer = once(this.#lines, 'line');
    this.#process.stdin.write(`${line}\n`);
    return String((await answer)[0]);
  }
}
