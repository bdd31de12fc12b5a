import { existsSync } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';
import { Command, Option } from 'commander';
import { OutputError, SluiceError, UsageError } from '../../errors.ts';
import type { BlockType } from '../../kernels/blocks/layout.ts';
import { type GgufWrittenTensor, writeGgufModel } from '../../model/ggufWriter.ts';
import { exitCode } from '../../run/exitCodes.ts';
import { bytes, count, plural } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';

interface QuantizeFlags {
  readonly to: keyof typeof targets;
  readonly output: string;
  readonly embeddings?: keyof typeof targets;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** What `--to` takes: a type of the weights, and the kind of file that holds it. */
const targets = {
  f32: { file: 'gguf', type: 'F32' },
  f16: { file: 'gguf', type: 'F16' },
  bf16: { file: 'gguf', type: 'BF16' },
  q8_0: { file: 'gguf', type: 'Q8_0' },
  q6_k: { file: 'gguf', type: 'Q6_K' },
  q4_k: { file: 'gguf', type: 'Q4_K' },
} as const satisfies Record<string, { readonly file: 'gguf'; readonly type: BlockType }>;

export function quantizeCommand(): Command {
  const types = Object.keys(targets);
  return new Command('quantize')
    .argument('<model>', 'model folder (config.json and model.safetensors) or .gguf file')
    .description('write a model with smaller weights, and tell what that costs in size and exactness')
    .addOption(new Option('--to <type>', 'type of the linear weights').choices(types).makeOptionMandatory())
    .requiredOption('--output <file>', 'file to write, NAME.gguf')
    .addOption(
      new Option(
        '--embeddings <type>',
        'type of embeddings and output weights (default: f16 beside quantized weights)',
      ).choices(types),
    )
    .option('--force', 'replace a file that is there')
    .option('--json', 'one JSON object on stdout')
    .action((model: string, flags: QuantizeFlags) => quantize(model, flags));
}

async function quantize(model: string, flags: QuantizeFlags): Promise<void> {
  const { to, output, embeddings } = flags;
  const target = targets[to];
  if (!output.endsWith(`.${target.file}`)) {
    throw new UsageError(`--to ${to} writes a .${target.file} file, not ${output}`, {
      code: 'BAD_FLAG',
      hint: `--output NAME.${target.file}`,
    });
  }
  if (existsSync(output) && !flags.force) {
    throw new OutputError(`${output} is there already`, {
      code: 'EXISTS',
      path: output,
      hint: 'replace it with --force',
    });
  }
  const stop = new AbortController();
  const onSignal = () => stop.abort(new SluiceError('interrupted', { code: 'INTERRUPTED', path: output }));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const written = await writeGgufModel(model, output, target.type, {
      embeddings: embeddings && targets[embeddings].type,
      signal: stop.signal,
      onTensor: (_, index, tensors) => progress(`${index} of ${tensors} tensors`),
    });
    progress('');
    if (flags.json) jsonLine({ output, bytes: written.bytes, classes: classesOf(written.tensors) });
    else show(output, written.bytes, written.tensors);
  } catch (error) {
    progress('');
    if (!stop.signal.aborted) throw asOutputError(error, output);
    process.stderr.write(`stopped; ${output} was not written\n`);
    process.exitCode = exitCode.interrupted;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** A line that the next one replaces, where somebody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** Tensors that play the same part in every layer, of one type. */
interface TensorClass {
  readonly class: string;
  readonly type: BlockType;
  /** Another type than `type` where rows are no whole blocks of it. */
  readonly asked: BlockType;
  tensors: number;
  weights: number;
  bytes: number;
  /** Of the absolute weights. */
  mean: number;
  /** Of the absolute errors. */
  mean_error: number;
  max_error: number;
}

function classesOf(tensors: readonly GgufWrittenTensor[]): TensorClass[] {
  const classes = new Map<string, TensorClass>();
  for (const tensor of tensors) {
    const name = tensor.name.replace(/^layers\.\d+\./, '').replace(/\.weight$/, '');
    const { type, asked } = tensor;
    const empty = { class: name, type, asked, tensors: 0, weights: 0, bytes: 0, mean: 0, mean_error: 0, max_error: 0 };
    const found = classes.get(name) ?? empty;
    classes.set(name, found);
    const share = tensor.values / (found.weights + tensor.values);
    found.tensors++;
    found.weights += tensor.values;
    found.bytes += tensor.bytes;
    found.mean += share * (tensor.meanMagnitude - found.mean);
    found.mean_error += share * (tensor.meanError - found.mean_error);
    found.max_error = Math.max(found.max_error, tensor.maxError);
  }
  return [...classes.values()];
}

function show(output: string, fileBytes: number, tensors: readonly GgufWrittenTensor[]): void {
  const out = (line: string): void => {
    process.stdout.write(`${line.trimEnd()}\n`);
  };
  const weights = tensors.reduce((sum, tensor) => sum + tensor.values, 0);
  out(
    `${output}: ${bytes(fileBytes)}, ${count(weights)} weights, ${((8 * fileBytes) / weights).toFixed(2)} bits a weight`,
  );
  for (const type of new Set(tensors.map((tensor) => tensor.type))) {
    const those = tensors.filter((tensor) => tensor.type === type);
    const size = those.reduce((sum, tensor) => sum + tensor.bytes, 0);
    out(`${type.toLowerCase().padEnd(5)} ${plural(those.length, 'tensor')}, ${bytes(size)}`);
  }
  const row = (name: string, type: string, ...cells: readonly string[]): void =>
    out(`${name.padEnd(18)}${type.padEnd(6)}${cells.map((cell) => cell.padStart(14)).join('')}`);
  row('', 'type', 'weights', 'mean weight', 'mean error', 'of the mean', 'largest error');
  const classes = classesOf(tensors);
  for (const one of classes) {
    const share = `${figure((100 * one.mean_error) / one.mean)} %`;
    const [mean, error, largest] = [one.mean, one.mean_error, one.max_error].map(figure);
    row(one.class, one.type.toLowerCase(), count(one.weights), mean ?? '', error ?? '', share, largest ?? '');
  }
  for (const one of classes.filter(({ type, asked }) => type !== asked)) {
    out(`${one.class} is ${one.type.toLowerCase()}: its rows are no whole blocks of ${one.asked.toLowerCase()}`);
  }
}

function figure(value: number): string {
  return value === 0 ? '0' : value.toPrecision(3);
}

/** What the system says of the new file, told as such; anything else stays what it is. */
function asOutputError(error: unknown, output: string): unknown {
  if (error instanceof SluiceError) return error;
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === undefined || errno === undefined) return error;
  const message = `${output} cannot be written: ${getSystemErrorMessage(errno)}`;
  return new OutputError(message, { code, path: output, cause: error });
}
