import { Command } from 'commander';
import { inspectOutput } from '../../report/inspect.ts';
import { renderInspection } from '../../report/inspectText.ts';
import { jsonLine } from '../progress/reporters.ts';

export function inspectCommand(): Command {
  return new Command('inspect')
    .argument('<output>', 'output folder of a run, finished or not')
    .description('report on an output: documents, sizes, entropies, patch lengths, rejects, files')
    .option('--json', 'one JSON object on stdout')
    .action(async (output: string, flags: { json?: boolean }) => {
      const inspection = await inspectOutput(output);
      if (flags.json) jsonLine(inspection);
      else process.stdout.write(`${renderInspection(inspection, process.stdout.columns ?? 80)}\n`);
    });
}
