import { type Command, Option } from 'commander';
import { PipelineError, UsageError } from '../errors.ts';
import { openOptions } from '../model/index.ts';
import type { ModelSettings } from '../model/openOptions.ts';
import { parseBytes } from '../run/memory.ts';

/** Flags that say how models are run. */
export interface ModelFlags {
  readonly device?: string;
  readonly weights?: string;
  readonly weightCache?: string;
  readonly gpuMemory?: string;
  readonly profile?: boolean;
}

export function withModelFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--device <name>',
        'where the model runs: auto (a GPU if there is one), cpu, webgpu, webgpu:<part of an adapter name>, several of those with commas, or onnx:<provider> (default: auto)',
      ),
    )
    .addOption(
      new Option(
        '--weights <form>',
        'f32; or, not exact, int8 (on the CPU refused where it is not 1.3 times as fast) and, on a GPU, int4 and ternary, which only models trained for it bear (default: f32)',
      ),
    )
    .option(
      '--weight-cache <size>',
      'memory for decoded weights of BF16, F16 and GGUF models; at least a layer for each worker and one more (default: 512MiB)',
    )
    .option('--gpu-memory <size>', 'memory of each GPU for weights, keys and states (default: 2GiB)')
    .option('--profile', 'time every kernel of a GPU, which slows it down, and print a table');
}

/** @throws UsageError where a flag says nothing that could be done */
export function modelSettings(flags: ModelFlags): ModelSettings {
  try {
    const settings: ModelSettings = {
      device: flags.device,
      weights: flags.weights,
      weightCacheBytes: flags.weightCache === undefined ? undefined : parseBytes(flags.weightCache),
      gpuMemoryBytes: flags.gpuMemory === undefined ? undefined : parseBytes(flags.gpuMemory),
      profile: flags.profile,
    };
    openOptions({}, settings);
    return settings;
  } catch (cause) {
    if (!(cause instanceof PipelineError)) throw cause;
    throw new UsageError(cause.message, { code: cause.code, hint: cause.hint, cause });
  }
}
