import { getSystemErrorMessage } from 'node:util';
import { Command, InvalidArgumentError, Option } from 'commander';
import { OutputError, SluiceError, UsageError } from '../../errors.ts';
import { CALIBRATION_TOKENS, WINDOW_TOKENS } from '../../model/quantize/calibrationText.ts';
import { DEFAULT_PERCENTILE } from '../../model/quantize/floatMatrix.ts';
import {
  GGUF_TYPES,
  type GgufTarget,
  QUANTIZE_METHODS,
  QUANTIZE_TARGETS,
  type QuantizeMethod,
  type QuantizeTarget,
} from '../../model/quantize/method.ts';
import { quantizeModel } from '../../model/quantize/quantizeModel.ts';
import type { QuantizeReport, TextReport } from '../../model/quantize/report.ts';
import { exitCode } from '../../run/exitCodes.ts';
import { bytes, count, plural } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';
import { finiteNumber, positiveInteger } from '../values.ts';

interface QuantizeFlags {
  readonly to: QuantizeTarget;
  readonly output?: string;
  readonly method?: QuantizeMethod;
  readonly percentile?: number;
  readonly calibrate?: readonly string[];
  readonly tokens: number;
  readonly seed: number;
  readonly embeddings?: GgufTarget;
  readonly stats?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function quantizeCommand(): Command {
  return new Command('quantize')
    .argument('<model>', 'model folder (config.json and weights) or .gguf file')
    .description('write a model with smaller weights, and measure what that costs in size and exactness')
    .addOption(new Option('--to <type>', 'type of the linear weights').choices(QUANTIZE_TARGETS).makeOptionMandatory())
    .option('--output <folder>', `folder to write; NAME.gguf for ${Object.keys(GGUF_TYPES).join(', ')}`)
    .addOption(
      new Option(
        '--method <name>',
        'how scales and codes are found (default: mse; with --calibrate awq for int8, gptq for int4)',
      ).choices(QUANTIZE_METHODS),
    )
    .option(
      '--percentile <number>',
      `magnitude that --method percentile clips at (default: ${DEFAULT_PERCENTILE})`,
      percentile,
    )
    .option('--calibrate <file...>', 'text of the kind that will be patched: to calibrate on, and to compare models on')
    .option('--tokens <count>', `tokens of it, in windows of ${WINDOW_TOKENS}`, positiveInteger, CALIBRATION_TOKENS)
    .option('--seed <number>', 'which windows are drawn', finiteNumber, 0)
    .addOption(
      new Option(
        '--embeddings <type>',
        'type of embeddings and output weights (default: f16 beside quantized weights)',
      ).choices(Object.keys(GGUF_TYPES)),
    )
    .option('--stats', 'measure, and write nothing')
    .option('--force', 'replace what is there')
    .option('--json', 'one JSON object on stdout')
    .action((model: string, flags: QuantizeFlags) => quantize(model, flags));
}

function percentile(text: string): number {
  const value = finiteNumber(text);
  if (value > 0 && value <= 100) return value;
  throw new InvalidArgumentError('It takes a number above 0, at most 100.');
}

async function quantize(model: string, flags: QuantizeFlags): Promise<void> {
  const { to, output, method, percentile, calibrate, tokens, seed, embeddings, stats, force, json } = flags;
  if (output === undefined && !stats) {
    throw new UsageError('--output is missing', {
      code: 'BAD_FLAG',
      hint: '--output FOLDER, or --stats to write nothing',
    });
  }
  const name = stats ? 'the model' : (output ?? '');
  const stop = new AbortController();
  const onSignal = () => stop.abort(new SluiceError('interrupted', { code: 'INTERRUPTED', path: output }));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let isWritten = false;
  try {
    const report = await quantizeModel(model, {
      to,
      output: stats ? undefined : output,
      method,
      percentile,
      calibrate: calibrate && { files: calibrate, tokens, seed },
      embeddings,
      replace: force,
      signal: stop.signal,
      onStep: progress,
      onWritten: () => {
        isWritten = true;
      },
    });
    progress('');
    if (json) jsonLine(report);
    else show(name, report);
  } catch (error) {
    progress('');
    if (!stop.signal.aborted) throw asOutputError(error, name);
    process.stderr.write(`stopped; ${name} was ${isWritten ? 'written, but not measured' : 'not written'}\n`);
    process.exitCode = exitCode.interrupted;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** A line that the next one replaces, where somebody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function show(name: string, report: QuantizeReport): void {
  const { classes, method } = report;
  const weights = classes.reduce((sum, one) => sum + one.weights, 0);
  const bits = (size: number): string => `${((8 * size) / weights).toFixed(2)} bits a weight`;
  out(`${name}: ${bytes(report.bytes)}, ${count(weights)} weights, ${bits(report.bytes)}`);
  out(`before: ${bytes(report.bytes_before)}, ${bits(report.bytes_before)}; ${times(report)} times as large`);
  if (method !== 'ggml') out(`method: ${method}`);
  for (const [type, those] of Map.groupBy(classes, (one) => one.type.toLowerCase())) {
    const [tensors, size] = [sum(those.map((one) => one.tensors)), sum(those.map((one) => one.bytes))];
    out(`${type.padEnd(13)} ${plural(tensors, 'tensor')}, ${bytes(size)}`);
  }
  const hasOutputs = classes.some((one) => one.output_error !== null);
  row('', 'type', 'weights', 'before', 'after', 'error', 'largest error', ...(hasOutputs ? ['output error'] : []));
  for (const one of classes) {
    const { weights: values, bytes_before: before, bytes: after, relative_error, output_error, max_error } = one;
    const outputs = hasOutputs ? [output_error === null ? '-' : percent(output_error)] : [];
    const sizes = [before, after].map((size) => bytes(size));
    const [from = '', to = ''] = sizes;
    row(
      one.class,
      one.type.toLowerCase(),
      count(values),
      from,
      to,
      percent(relative_error),
      figure(max_error),
      ...outputs,
    );
  }
  for (const one of classes.filter(({ type, asked }) => type !== asked)) {
    out(`${one.class} is ${one.type.toLowerCase()}: its rows are no whole blocks of ${one.asked.toLowerCase()}`);
  }
  showTexts(report);
}

function showTexts({ calibration, held_back, threshold, threshold_of }: QuantizeReport): void {
  if (calibration === null || threshold === null) {
    out('how far entropies and patches move was not measured: give text with --calibrate FILE...');
    return;
  }
  const whose = threshold_of === 'model' ? "the model's own" : 'of the released models, since this one has none';
  out(`as a whole, patches starting above ${threshold.toFixed(4)} nats (${whose}) in both models:`);
  textRow('', 'bytes', 'mean nats', 'max nats', 'F1 of starts', 'bits a byte', 'before');
  const texts: readonly (readonly [string, TextReport | null])[] = [
    ['calibration text', calibration],
    ['held-back text', held_back],
  ];
  for (const [name, text] of texts) {
    if (text === null) {
      out(`${name}: none, the files are too short to hold text back (four windows of ${WINDOW_TOKENS - 1} bytes)`);
      continue;
    }
    const { before, after } = text.bits_per_byte;
    const numbers = [text.mean_nats, text.max_nats].map(figure);
    textRow(name, count(text.bytes), ...numbers, text.boundary_f1.toFixed(4), after.toFixed(4), before.toFixed(4));
  }
}

const times = ({ bytes, bytes_before }: QuantizeReport): string => (bytes_before / bytes).toFixed(2);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const percent = (value: number): string => `${figure(100 * value)} %`;

function out(line: string): void {
  process.stdout.write(`${line.trimEnd()}\n`);
}

function row(name: string, type: string, ...cells: readonly string[]): void {
  out(`${name.padEnd(18)}${type.padEnd(13)}${cells.map((cell) => cell.padStart(14)).join('')}`);
}

function textRow(name: string, ...cells: readonly string[]): void {
  out(`${name.padEnd(18)}${cells.map((cell) => cell.padStart(14)).join('')}`);
}

function figure(value: number): string {
  return value === 0 ? '0' : value.toPrecision(3);
}

/** What the system says of the new model, told as such; anything else stays what it is. */
function asOutputError(error: unknown, output: string): unknown {
  if (error instanceof SluiceError) return error;
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === undefined || errno === undefined) return error;
  const message = `${output} cannot be written: ${getSystemErrorMessage(errno)}`;
  return new OutputError(message, { code, path: output, cause: error });
}
