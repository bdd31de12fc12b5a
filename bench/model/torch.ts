import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** Where a Python with PyTorch may be: the one that is found first, or Debian's (`apt install python3-torch`). */
const PYTHONS = ['python3', '/usr/bin/python3'];

interface Answer {
  readonly seconds: number;
  readonly entropies: readonly (readonly number[])[] | null;
}

/** The same model in PyTorch, in a process of its own. */
export class Torch {
  readonly version: string;
  /** GFLOP/s of its own 1024^3 product. */
  readonly sgemm: number;
  readonly #ask: (request: object) => Promise<unknown>;
  readonly #process: ChildProcessWithoutNullStreams;

  private constructor(
    process: ChildProcessWithoutNullStreams,
    ask: (request: object) => Promise<unknown>,
    about: { readonly version: string; readonly sgemm: number },
  ) {
    this.#process = process;
    this.#ask = ask;
    this.version = about.version;
    this.sgemm = about.sgemm;
  }

  /**
   * Undefined where no Python has PyTorch. Debian's PyTorch sums with OpenBLAS, which has threads of its own and takes no
   * orders from it, and waits for its own by spinning, which slows OpenBLAS down by half: both are told from outside.
   */
  static async open(model: string, threads: number): Promise<Torch | undefined> {
    const python = PYTHONS.find((name) => spawnSync(name, ['-c', 'import torch']).status === 0);
    if (python === undefined) return undefined;
    const child = spawn(python, [path.join(import.meta.dirname, 'forward.py')], {
      env: {
        ...process.env,
        OPENBLAS_NUM_THREADS: String(threads),
        OMP_NUM_THREADS: String(threads),
        OMP_WAIT_POLICY: 'PASSIVE',
      },
    });
    child.stderr.pipe(process.stderr);
    const lines = createInterface({ input: child.stdout });
    const ask = async (request: object): Promise<unknown> => {
      const answer = once(lines, 'line');
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return JSON.parse(String((await answer)[0]));
    };
    const about = (await ask({ load: model, threads })) as { version: string; sgemm: number };
    return new Torch(child, ask, about);
  }

  /** Seconds of one forward pass over rows of one length. */
  async seconds(ids: readonly (readonly number[])[]): Promise<number> {
    return ((await this.#ask({ ids })) as Answer).seconds;
  }

  async entropies(ids: readonly number[]): Promise<readonly number[]> {
    const { entropies } = (await this.#ask({ ids: [ids], check: true })) as Answer;
    return entropies?.[0] ?? [];
  }

  close(): void {
    this.#process.stdin.end();
  }
}
