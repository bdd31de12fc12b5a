import { Command } from 'commander';
import { exitCode } from '../../run/exitCodes.ts';
import { verifyOutput } from '../../run/verify.ts';
import { bytes, plural } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';

export function verifyCommand(): Command {
  return new Command('verify')
    .argument('<output>', 'output folder of a run')
    .description('check every hash and invariant of an output; exit code 5 where something is wrong')
    .option('--json', 'one JSON object on stdout')
    .action(async (output: string, flags: { json?: boolean }) => {
      const report = await verifyOutput(output);
      if (flags.json) jsonLine(report);
      else {
        for (const finding of report.findings)
          process.stderr.write(`${finding.code} ${finding.path}: ${finding.message}\n`);
        const size = bytes(report.bytes);
        process.stderr.write(
          report.ok
            ? `ok: ${plural(report.files, 'file')}, ${size}, every hash and invariant holds\n`
            : `${plural(report.findings.length + report.more, 'problem')} in ${plural(report.files, 'file')}, ${size}\n`,
        );
      }
      if (!report.ok) process.exitCode = exitCode.notVerified;
    });
}
