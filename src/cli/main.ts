import { Command, CommanderError } from 'commander';
import { exitCode } from '../run/exitCodes.ts';
import { version } from '../run/version.ts';
import { doctorCommand } from './commands/doctor.ts';
import { entropyCommand } from './commands/entropy.ts';
import { initCommand } from './commands/init.ts';
import { inspectCommand } from './commands/inspect.ts';
import { planCommand } from './commands/plan.ts';
import { runCommand } from './commands/run.ts';
import { verifyCommand } from './commands/verify.ts';
import { exitCodeFor, renderError } from './renderError.ts';

const program = new Command('sluice')
  .description('Reads anything, cuts it into entropy patches with a byte-level language model, and writes tensors.')
  .version(version)
  .enablePositionalOptions()
  .showSuggestionAfterError()
  .exitOverride();
for (const command of [
  runCommand(),
  planCommand(),
  inspectCommand(),
  verifyCommand(),
  entropyCommand(),
  doctorCommand(),
  initCommand(),
]) {
  program.addCommand(command.exitOverride());
}

// A reader that goes away, such as `head`, ends the output without an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCode.ok);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  else {
    renderError(error);
    process.exitCode = exitCodeFor(error);
  }
}
