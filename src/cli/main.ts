import { Command, CommanderError } from 'commander';
import { exitCode } from '../run/exitCodes.ts';
import { version } from '../run/version.ts';
import { exitCodeFor, renderError } from './renderError.ts';

/** Only the command that is asked for is loaded: start-up is a good part of a short command's time. */
const commands: Record<string, { readonly summary: string; readonly load: () => Promise<Command> }> = {
  run: { summary: 'run a pipeline, or resume it', load: async () => (await import('./commands/run.ts')).runCommand() },
  plan: {
    summary: 'show stages, rooms, memory bound and splits of a pipeline, and run nothing',
    load: async () => (await import('./commands/plan.ts')).planCommand(),
  },
  inspect: {
    summary: 'report on an output: documents, patches, entropies, rejects',
    load: async () => (await import('./commands/inspect.ts')).inspectCommand(),
  },
  graph: {
    summary: 'ask a hypergraph: documents, patches, what is linked to them',
    load: async () => (await import('./commands/graph.ts')).graphCommand(),
  },
  verify: {
    summary: 'check every hash and invariant of an output',
    load: async () => (await import('./commands/verify.ts')).verifyCommand(),
  },
  entropy: {
    summary: 'show the entropy of every byte of a file, and the patches they make',
    load: async () => (await import('./commands/entropy.ts')).entropyCommand(),
  },
  quantize: {
    summary: 'write a model with smaller weights, and tell what that costs',
    load: async () => (await import('./commands/quantize.ts')).quantizeCommand(),
  },
  calibrate: {
    summary: "find a model's thresholds for your data, one for each modality",
    load: async () => (await import('./commands/calibrate.ts')).calibrateCommand(),
  },
  tokenizer: {
    summary: 'train byte-level BPE tokenizers, and encode with them',
    load: async () => (await import('./commands/tokenizer.ts')).tokenizerCommand(),
  },
  export: {
    summary: 'write patches in another layout: webdataset, npz, JAX shards and others',
    load: async () => (await import('./commands/export.ts')).exportCommand(),
  },
  allocate: {
    summary: 'place patches on spheres by their prominence, for viewers',
    load: async () => (await import('./commands/allocate.ts')).allocateCommand(),
  },
  push: {
    summary: 'put an output into a dataset on the Hugging Face Hub',
    load: async () => (await import('./commands/push.ts')).pushCommand(),
  },
  doctor: {
    summary: 'tell what this machine has, what is off, what is missing',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  },
  init: {
    summary: 'scaffold a pipeline project',
    load: async () => (await import('./commands/init.ts')).initCommand(),
  },
};

const program = new Command('sluice')
  .description('Reads anything, cuts it into entropy patches with a byte-level language model, and writes tensors.')
  .version(version)
  .enablePositionalOptions()
  .showSuggestionAfterError()
  .exitOverride();
const asked = process.argv[2] ?? '';
for (const [name, { summary, load }] of Object.entries(commands)) {
  const command = name === asked ? await load() : new Command(name);
  program.addCommand(command.summary(summary).exitOverride());
}

// A reader that goes away, such as `head`, ends what is only printed; a run goes on to its end without being watched.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (asked !== 'run') process.exit(exitCode.ok);
  });
}

try {
  if (asked === '') program.help({ error: true });
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  else {
    renderError(error);
    process.exitCode = exitCodeFor(error);
  }
}
