import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OutputError, PipelineError } from '../../src/errors.ts';
import type { LinkTask } from '../../src/lsh/corpus/linkWorker.ts';
import { arrived, crossing } from '../../src/run/crossing.ts';
import { Pool } from '../../src/run/pool.ts';
import { temporaryFolder } from '../lsh/corpus/folder.ts';

const module = path.join(import.meta.dirname, '../../src/lsh/corpus/linkWorker.ts');

/** What comes out of a worker thread. */
async function failure(task: LinkTask): Promise<unknown> {
  const pool = new Pool({ threads: 1 });
  onTestFinished(() => pool.close());
  return pool.run(module, task).then(
    () => undefined,
    (error: unknown) => error,
  );
}

function thrown(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

const throwing = (error: unknown) => (): never => {
  throw error;
};

describe('an error of a worker', () => {
  it('of the system keeps its code and path across the thread boundary: a disk that refuses is known as one', async () => {
    const { folder } = temporaryFolder();
    const error = await failure({ parts: [], from: 0, to: 1, firstNew: 0, out: folder });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 'EEXIST', path: folder, message: expect.stringMatching(/^EEXIST/) });
  });

  it('of sluice keeps its class, path and hint', async () => {
    const { newFile } = temporaryFolder();
    const part = { file: newFile(), first: 0, documents: 1, blocks: [1] };
    const error = await failure({ parts: [part], from: 0, to: 1, firstNew: 0, out: newFile() });
    expect(error).toBeInstanceOf(PipelineError);
    expect(error).toMatchObject({
      code: 'MISSING_FILE',
      path: `${part.file}.keys`,
      hint: expect.stringMatching(/--fresh/),
    });
  });

  it('that is neither stays as it is', () => {
    const plain = new RangeError('odd');
    for (const other of [plain, 'text', undefined, null]) {
      expect(thrown(() => crossing(throwing(other)))).toBe(other);
      expect(arrived(other)).toBe(other);
    }
    const caused = new Error('caused', { cause: { code: 'ENOSPC' } });
    expect(arrived(caused)).toBe(caused);
    expect(crossing(() => 7)).toBe(7);
  });

  it('says where it came from', () => {
    const error = new OutputError('no', { code: 'ENOSPC' });
    const sent = thrown(() => crossing(throwing(error))) as Error;
    expect(sent.stack).toBe(error.stack);
    expect(arrived(structuredClone(sent))).toMatchObject({ message: 'no', code: 'ENOSPC', path: undefined });
  });
});
