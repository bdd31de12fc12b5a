import type { ModelConfig } from '../../../src/model/config.ts';
import type { ForwardResult, ForwardTask } from '../../../src/model/cpu/forward.ts';
import type { LayerForm } from '../../../src/model/cpu/layers/layerForm.ts';
import { LayerStore } from '../../../src/model/cpu/layers/layerStore.ts';
import { openSession } from '../../../src/model/cpu/openSession.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { areFloat32 } from '../../../src/model/weights.ts';

/** A model on the thread of the test. */
export interface TestSession {
  readonly config: ModelConfig;
  /** Throws where the pass fails. */
  run(task: ForwardTask): Promise<ForwardResult>;
  /** The same for tasks that travel together. */
  runAll(tasks: readonly ForwardTask[]): Promise<ForwardResult[]>;
  close(): Promise<void>;
}

/** Opens a model with mapped weights, or with decoded layers where `form` or the file asks for them. */
export async function testSession(
  path: string,
  options: { readonly form?: LayerForm | undefined; readonly threads?: number; readonly bytes?: number } = {},
): Promise<TestSession> {
  const { threads = 1, bytes = 64 << 20 } = options;
  const model = await readModelFile(path);
  const form = options.form ?? (areFloat32(model.weights) ? undefined : 'f32');
  const store = form === undefined ? undefined : new LayerStore(model, { form, bytes, threads: 1 });
  const session = await openSession(model, { threads, layers: store?.shared });
  const runAll = async (tasks: readonly ForwardTask[]): Promise<ForwardResult[]> =>
    (await session.run(tasks)).map((outcome) => {
      if (!('result' in outcome)) throw new Error(JSON.stringify(outcome));
      return outcome.result;
    });
  return {
    config: model.config,
    runAll,
    async run(task) {
      const [result] = await runAll([task]);
      if (result === undefined) throw new Error('no result');
      return result;
    },
    async close() {
      await session.close();
      store?.close();
    },
  };
}
