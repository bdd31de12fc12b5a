import { Command, InvalidArgumentError, Option } from 'commander';
import { map } from 'rxjs';
import { UsageError } from '../../errors.ts';
import { graphJsonPipeline } from '../../export/graphJson.ts';
import { jaxPipeline } from '../../export/jax.ts';
import { quantizerFile, withQuantizerFile } from '../../export/quantizerFile.ts';
import type { Patches } from '../../records.ts';
import { definePipeline, type Pipeline } from '../../run/definition.ts';
import { parseBytes } from '../../run/memory.ts';
import {
  type CutOptions,
  hypergraph,
  jsonl,
  npz,
  parquet,
  type Sink,
  safetensors,
  signals,
  sqlite,
  webdataset,
} from '../../sinks/index.ts';
import { patchFiles } from '../../sources/index.ts';
import { requireOtherFolder } from '../otherFolder.ts';
import { progressModes } from '../progress/reporters.ts';
import { finiteNumber, positiveInteger } from '../values.ts';
import { execute, type RunFlags } from './run.ts';

type Layout = 'safetensors' | 'webdataset' | 'parquet' | 'jsonl' | 'sqlite' | 'npz' | 'jax' | 'json';

const members = ['safetensors', 'json', 'payload'] as const;
type Member = (typeof members)[number];

interface ExportFlags extends RunFlags {
  readonly to: Layout;
  readonly output: string;
  readonly dir?: string;
  readonly prominence?: number;
  readonly entropy?: number;
  readonly specialTokens: boolean;
  readonly quantizer?: string;
  readonly asStored?: boolean;
  readonly maxSampleBytes?: number;
  readonly compression?: 'none' | 'gzip' | 'zstd' | 'snappy';
  readonly samples?: number;
  readonly members?: readonly Member[];
  readonly shardBytes?: number;
  readonly fileBytes?: number;
  readonly layout?: 'shard' | 'document';
  readonly rows?: 'patch' | 'document';
  readonly embeddings?: 'none' | 'base64' | 'list';
  readonly into?: string;
  readonly signals?: boolean;
  readonly numShards?: number;
  readonly shardSize?: number;
  readonly pad: boolean;
  readonly name?: string;
}

interface Target {
  readonly summary: string;
  /** Flags that mean something to it, besides those of every run. */
  readonly flags: readonly (keyof ExportFlags)[];
  pipeline(inputs: readonly string[], flags: ExportFlags): Pipeline | Promise<Pipeline>;
}

/** What every target that goes through a source of patches takes. */
const sourceFlags = [
  'prominence',
  'entropy',
  'specialTokens',
  'quantizer',
  'asStored',
  'maxSampleBytes',
  'splitBytes',
] as const;

/** A pipeline from files of patches to these sinks. */
function through(
  inputs: readonly string[],
  { to, dir, prominence, entropy, specialTokens, quantizer, asStored, maxSampleBytes }: ExportFlags,
  sinks: readonly [Sink<Patches>, ...Sink<Patches>[]],
): Pipeline {
  const absent = {
    ...(prominence === undefined ? {} : { prominence }),
    ...(entropy === undefined ? {} : { entropy }),
  };
  const options = { dir, absent, specialTokens, quantizer, asStored, maxSampleBytes };
  const stream = definePipeline(`export-${to}`, patchFiles(inputs, options));
  return asStored ? stream.pipe(map(withQuantizerFile)).to(...sinks, quantizerFile()) : stream.to(...sinks);
}

const targets: Readonly<Record<Layout, Target>> = {
  safetensors: {
    summary: 'blt_patches_v3 shards with their hypergraphs',
    flags: [...sourceFlags, 'shardBytes', 'layout', 'signals'],
    pipeline(inputs, flags) {
      const bytes = flags.signals ? [signals('shards', cutOf(flags))] : [];
      return through(inputs, flags, [
        safetensors('shards', cutOf(flags)),
        hypergraph('shards', cutOf(flags)),
        ...bytes,
      ]);
    },
  },
  webdataset: {
    summary: 'archives of one sample a document',
    flags: [...sourceFlags, 'compression', 'samples', 'members', 'shardBytes', 'name'],
    pipeline(inputs, flags) {
      const { compression, samples, members, shardBytes, name } = flags;
      if (compression === 'snappy') throw new UsageError('archives are not written with snappy', { code: 'BAD_FLAG' });
      return through(inputs, flags, [webdataset('wds', { compression, samples, members, shardBytes, name })]);
    },
  },
  parquet: {
    summary: 'tables of patches, or of documents with lists',
    flags: [...sourceFlags, 'compression', 'fileBytes', 'rows'],
    pipeline: (inputs, flags) => {
      const { compression, fileBytes, rows } = flags;
      return through(inputs, flags, [parquet('tables', { compression, fileBytes, rows })]);
    },
  },
  jsonl: {
    summary: 'JSON lines, one a document',
    flags: [...sourceFlags, 'fileBytes', 'embeddings', 'into'],
    pipeline(inputs, flags) {
      const { fileBytes, embeddings, into } = flags;
      return through(inputs, flags, [jsonl('documents', { fileBytes, embeddings, into })]);
    },
  },
  sqlite: {
    summary: 'databases with a table of patches and one of documents',
    flags: [...sourceFlags, 'fileBytes', 'into'],
    pipeline: (inputs, flags) => {
      const { fileBytes, into } = flags;
      return through(inputs, flags, [sqlite('tables', { fileBytes, into })]);
    },
  },
  npz: {
    summary: 'NumPy archives',
    flags: [...sourceFlags, 'shardBytes', 'layout'],
    pipeline: (inputs, flags) => through(inputs, flags, [npz('npz', cutOf(flags))]),
  },
  jax: {
    summary: 'safetensors shards of equal length, for one global array',
    flags: ['numShards', 'shardSize', 'pad', 'name', 'quantizer', 'asStored'],
    pipeline: (inputs, { numShards: shards, shardSize, pad, name, dir, quantizer, asStored }) =>
      jaxPipeline(inputs, { shards, shardSize, pad, name, dir, quantizer, asStored }),
  },
  json: {
    summary: 'hypergraphs as JSON',
    flags: [],
    pipeline: (inputs, { dir }) => graphJsonPipeline(inputs, dir),
  },
};

const cutOf = ({ shardBytes, layout }: ExportFlags): CutOptions => ({ shardBytes, layout });

export function exportCommand(): Command {
  return new Command('export')
    .argument('<input...>', 'output folder of a run, or files of patches of any layout (docs/layouts.md)')
    .description('write the patches of an output, or of older files, in another layout; run again to resume')
    .addOption(new Option('--to <layout>', 'layout to write').choices(Object.keys(targets)).makeOptionMandatory())
    .requiredOption('--output <dir>', 'folder for everything that is written')
    .option('--dir <name>', 'folder of shards within the output that is read (default: the only one with patches)')
    .option('--prominence <number>', 'stands for the prominence of patches whose file holds none', finiteNumber)
    .option('--entropy <number>', 'stands for the entropy of patches whose file holds none', finiteNumber)
    .option('--no-special-tokens', 'F1 files have no tokens for beginning and end')
    .option('--as-stored', 'write quantized fields as they are, rather than the float32 values that they stand for')
    .option('--quantizer <file>', 'of quantized files that refer to one (default: that of the output they lie in)')
    .option('--max-sample-bytes <size>', 'bytes of a member of older archives at most (default: 64MiB)', parseBytes)
    .option('--shard-bytes <size>', 'bytes of a shard at most (safetensors, npz, webdataset)', parseBytes)
    .option('--file-bytes <size>', 'bytes of a file at most (parquet, jsonl, sqlite)', parseBytes)
    .addOption(
      new Option('--layout <layout>', 'files for shards or for each document (safetensors, npz)').choices([
        'shard',
        'document',
      ]),
    )
    .option('--signals', 'also write the signals of every byte (safetensors)')
    .addOption(
      new Option('--compression <name>', 'of files (webdataset, parquet)').choices(['none', 'gzip', 'zstd', 'snappy']),
    )
    .option('--samples <n>', 'samples of an archive at most (webdataset)', positiveInteger)
    .addOption(
      new Option('--members <kinds...>', `what a sample is made of, of ${members.join(', ')} (webdataset)`).argParser(
        readMembers,
      ),
    )
    .addOption(new Option('--rows <kind>', 'what a row is (parquet)').choices(['patch', 'document']))
    .addOption(
      new Option('--embeddings <form>', 'how embeddings are written (jsonl)').choices(['none', 'base64', 'list']),
    )
    .option('--into <file>', 'one file for everything (jsonl, sqlite)')
    .option('--num-shards <n>', 'shards to write (jax)', positiveInteger)
    .option('--shard-size <rows>', 'rows of a shard (jax)', positiveInteger)
    .option('--no-pad', 'let the last shard be shorter (jax)')
    .option('--name <name>', 'of the dataset (webdataset), or beginning of the file names (jax)')
    .option('--workers <n>', 'worker threads and splits in flight (default: one per core)', positiveInteger)
    .option('--memory <size>', 'stay under this much memory, such as 2GB')
    .option('--split-bytes <size>', 'bytes of older files that a split aims at (default: 8MiB)')
    .option('--resume', 'go on with what is in the output folder; this is the default')
    .option('--fresh', 'throw away what an earlier run has put into the output folder')
    .addOption(new Option('--progress <mode>', 'how to show progress').choices(progressModes).default('auto'))
    .addHelpText('after', `\nLayouts:\n${described()}`)
    .action(async (inputs: string[], flags: ExportFlags, command: Command) => {
      refuseForeign(flags, command);
      requireOtherFolder(inputs, flags.output);
      process.exitCode = await execute(await targets[flags.to].pipeline(inputs, flags), undefined, flags);
    });
}

/** Kinds with commas or blanks between them: `--members json,payload`, `--members json payload`. */
function readMembers(text: string, before: readonly Member[] = []): readonly Member[] {
  const named = text.split(',').map((name) => {
    const member = members.find((known) => known === name.trim());
    if (member === undefined) throw new InvalidArgumentError(`It takes names out of ${members.join(', ')}.`);
    return member;
  });
  return [...before, ...named];
}

function described(): string {
  return Object.entries(targets)
    .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
    .join('\n');
}

const everywhere: ReadonlySet<string> = new Set([
  'to',
  'output',
  'dir',
  'workers',
  'memory',
  'fresh',
  'resume',
  'progress',
]);

/** A flag that means nothing to the layout is refused rather than ignored. */
function refuseForeign(flags: ExportFlags, command: Command): void {
  const own: ReadonlySet<string> = new Set(targets[flags.to].flags);
  for (const option of command.options) {
    const name = option.attributeName();
    if (everywhere.has(name) || own.has(name) || command.getOptionValueSource(name) !== 'cli') continue;
    const takers = Object.entries(targets).filter(([, { flags: taken }]) => taken.some((flag) => flag === name));
    throw new UsageError(`${option.long} means nothing to --to ${flags.to}`, {
      code: 'BAD_FLAG',
      hint: `it belongs to ${takers.map(([to]) => `--to ${to}`).join(', ')}`,
    });
  }
}
