import { Command, Option } from 'commander';
import { methods } from '../../allocate/options.ts';
import { type AllocateRun, allocatePipeline } from '../../allocate/pipeline.ts';
import { requireOtherFolder } from '../otherFolder.ts';
import { progressModes } from '../progress/reporters.ts';
import { finiteNumber, positiveInteger } from '../values.ts';
import { execute, type RunFlags } from './run.ts';

interface AllocateFlags
  extends RunFlags,
    Pick<AllocateRun, 'method' | 'temperature' | 'shells' | 'level' | 'direction'> {
  readonly output: string;
  readonly rMin?: number;
  readonly rMax?: number;
  readonly perFile?: boolean;
  readonly format: 'npz' | 'safetensors' | 'both';
  readonly dir?: string;
  readonly specialTokens: boolean;
  readonly quantizer?: string;
}

export function allocateCommand(): Command {
  return new Command('allocate')
    .argument(
      '<input...>',
      'output folder of a run, or safetensors files of any layout with embeddings (docs/layouts.md)',
    )
    .description('place patches on spheres by their prominence, for viewers; run again to resume')
    .requiredOption('--output <dir>', 'folder for everything that is written')
    .addOption(new Option('--method <name>', 'what decides the radius (default: osmotic)').choices(methods))
    .option('--temperature <t>', 'of entropy (nats) and energy (default: 1)', finiteNumber)
    .option('--shells <n>', 'spheres (default: 256, of energy 128)', positiveInteger)
    .option('--r-min <r>', 'radius of the innermost sphere (default: 32)', finiteNumber)
    .option('--r-max <r>', 'radius of the outermost sphere (default: 512)', finiteNumber)
    .option('--level <share>', 'of entropy: how full the room between them is (default: 0.5)', finiteNumber)
    .addOption(
      new Option('--direction <way>', 'where heavy patches go (default: outward)').choices(['outward', 'inward']),
    )
    .option('--per-file', 'allocate over the patches of each file by itself')
    .addOption(new Option('--format <name>', 'files to write').choices(['npz', 'safetensors', 'both']).default('npz'))
    .option('--dir <name>', 'folder of shards within the output that is read (default: the only one with patches)')
    .option('--no-special-tokens', 'F1 files have no tokens for beginning and end')
    .option('--quantizer <file>', 'of quantized files that refer to one (default: that of the output they lie in)')
    .option('--workers <n>', 'files in hand at once (default: one per core)', positiveInteger)
    .option('--memory <size>', 'stay under this much memory, such as 2GB')
    .option('--resume', 'go on with what is in the output folder; this is the default')
    .option('--fresh', 'throw away what an earlier run has put into the output folder')
    .addOption(new Option('--progress <mode>', 'how to show progress').choices(progressModes).default('auto'))
    .action(async (inputs: string[], flags: AllocateFlags) => {
      requireOtherFolder(inputs, flags.output);
      const { method, temperature, shells, rMin, rMax, level, direction, dir, specialTokens, quantizer, format } =
        flags;
      const pipeline = await allocatePipeline(inputs, {
        method,
        temperature,
        shells,
        rMin,
        rMax,
        level,
        direction,
        dir,
        specialTokens,
        quantizer,
        scope: flags.perFile ? 'file' : 'all',
        formats: format === 'both' ? ['npz', 'safetensors'] : [format],
      });
      process.exitCode = await execute(pipeline, undefined, flags);
    });
}
