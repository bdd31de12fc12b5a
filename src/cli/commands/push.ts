import { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import { pushOutput } from '../../storage/hub/push/push.ts';
import { bytes, count, plural } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';

interface PushFlags {
  readonly path?: string;
  readonly revision?: string;
  readonly message?: string;
  readonly private?: boolean;
  readonly create?: boolean;
  readonly json?: boolean;
}

export function pushCommand(): Command {
  return new Command('push')
    .argument('<output>', 'output folder of a finished run')
    .argument('<dataset>', 'dataset on the Hugging Face Hub: owner/name')
    .description('verify an output, and put its files and manifest into a dataset on the Hub in one commit')
    .option('--path <folder>', 'folder within the dataset')
    .option('--revision <branch>', 'branch to commit to', 'main')
    .option('--message <text>', 'first line of the commit message')
    .option('--create', 'make the dataset where there is none')
    .option('--private', 'with --create: for you alone to see')
    .option('--json', 'one JSON object on stdout')
    .addHelpText(
      'after',
      "\nThe token is that of HF_TOKEN, or of the file that the Hub's own tools keep; HF_ENDPOINT names another Hub.",
    )
    .action(push);
}

async function push(output: string, dataset: string, flags: PushFlags): Promise<void> {
  if (flags.private && !flags.create) {
    throw new UsageError('--private says how a dataset is made', { code: 'BAD_FLAG', hint: 'Add --create.' });
  }
  const progress = new UploadLine();
  const report = await pushOutput(output, dataset, {
    path: flags.path,
    revision: flags.revision,
    message: flags.message,
    create: flags.create ? (flags.private ? 'private' : 'public') : undefined,
    onBegin: (difference) => progress.begin(difference.bytes, difference.changed.length),
    onProgress: (sent) => progress.add(sent),
  }).finally(() => progress.end());
  if (flags.json) return jsonLine(report);
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  if (report.created) say(`made the dataset ${dataset}`);
  say(
    report.committed
      ? `pushed ${plural(report.pushed.files, 'file')}, ${bytes(report.pushed.bytes)}; ${count(report.kept)} were there`
      : `nothing to do: all ${plural(report.kept, 'file')} are there`,
  );
  say(`commit ${report.commit}`);
  const [example] = report.foreign;
  if (example !== undefined)
    say(`note: ${plural(report.foreign.length, 'file')} beside them, such as ${example}, are not of this output`);
}

/** Bytes that are on their way, where somebody watches. */
class UploadLine {
  #total = 0;
  #sent = 0;
  #shown = 0;

  begin(total: number, files: number): void {
    this.#total = total;
    this.#sent = 0;
    process.stderr.write(`sending ${plural(files, 'file')}, ${bytes(total)}\n`);
  }

  add(sent: number): void {
    this.#sent += sent;
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#shown < 200) return;
    this.#shown = now;
    process.stderr.write(`\r${bytes(this.#sent)} of ${bytes(this.#total)}\x1b[K`);
  }

  end(): void {
    if (this.#shown > 0) process.stderr.write('\r\x1b[K');
  }
}
