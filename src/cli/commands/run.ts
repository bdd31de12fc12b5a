import path from 'node:path';
import { Command, Option } from 'commander';
import { SluiceError } from '../../errors.ts';
import {
  closeSharedDevices,
  type DeviceTimes,
  type LayerCounts,
  sharedLayerCounts,
  sharedTimes,
} from '../../model/index.ts';
import { closeSharedCoders } from '../../quantization/gpu/sharedCoders.ts';
import type { Pipeline } from '../../run/definition.ts';
import { MOVED_TO_CPU } from '../../run/deviceRecovery.ts';
import { exitCode } from '../../run/exitCodes.ts';
import { parseBytes } from '../../run/memory.ts';
import { PLAN_REJECTS } from '../../run/plan.ts';
import { sharedPool } from '../../run/pool.ts';
import { type RunEvent, type RunSummary, run, workersOf } from '../../run/run.ts';
import { explainStall, watchForStall } from '../../run/stall.ts';
import { bytes, count, duration, plural } from '../format.ts';
import { loadPipeline } from '../loadPipeline.ts';
import { type MediaFlags, mediaSettings, withMediaFlags } from '../mediaFlags.ts';
import { type ModelFlags, modelSettings, withModelFlags } from '../modelFlags.ts';
import { addParameters, buildPipeline } from '../parameters.ts';
import { Counter } from '../progress/counter.ts';
import { jsonLine, type ProgressMode, progressModes, type Reporter, reporterFor } from '../progress/reporters.ts';
import { renderError } from '../renderError.ts';
import { showProfile } from '../showProfile.ts';
import { positiveInteger, selfCommand, share } from '../values.ts';

export interface RunFlags extends ModelFlags, MediaFlags {
  readonly output?: string;
  readonly limit?: number;
  readonly workers?: number;
  readonly memory?: string;
  readonly splitBytes?: string;
  readonly fresh?: boolean;
  readonly progress?: ProgressMode;
  readonly stallSeconds?: number;
  readonly maxRejectRate?: number;
}

/** A run that does not answer a signal in this time is killed. */
const PATIENCE_MS = 60_000;

export function withRunFlags(command: Command): Command {
  return withMediaFlags(withModelFlags(command))
    .option('--output <dir>', 'folder for everything that is written (default: out/<pipeline>)')
    .option('--limit <n>', 'stop after this many documents', positiveInteger)
    .option(
      '--workers <n>',
      'worker threads and splits in flight; the output never depends on it (default: one per core)',
      positiveInteger,
    )
    .option('--memory <size>', 'stay under this much memory, such as 2GB')
    .option('--split-bytes <size>', 'input bytes a split aims at (default: 8MiB)')
    .addOption(
      new Option('--engine <name>', 'what runs the splits; this version has this process')
        .choices(['local'])
        .default('local'),
    )
    .option('--resume', 'go on with what is in the output folder; this is the default')
    .option('--fresh', 'throw away what an earlier run has put into the output folder')
    .option(
      '--max-reject-rate <share>',
      'stop when a larger share of the records is rejected, from 100 on (default: 0.5, or what the pipeline says)',
      share,
    )
    .option(
      '--stall-seconds <n>',
      'explain what every stage waits for after this long without progress',
      positiveInteger,
    )
    .addOption(new Option('--progress <mode>', 'how to show progress').choices(progressModes).default('auto'));
}

export function runCommand(): Command {
  return withRunFlags(new Command('run'))
    .argument('<pipeline>', 'path of a pipeline file, or the name of one in pipelines/')
    .description('run a pipeline, or resume it')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .addHelpText('after', '\nA pipeline adds flags of its own: put --help behind its name.')
    .action(async (name: string, _flags: RunFlags, command: Command) => {
      if (name === '--help' || name === '-h') {
        command.outputHelp();
        return;
      }
      const loaded = await loadPipeline(name);
      const full = withRunFlags(new Command(`sluice run ${name}`)).description(
        `run pipeline '${loaded.definition.name}', or resume it`,
      );
      addParameters(full, loaded.definition);
      full.exitOverride().showSuggestionAfterError();
      const args = command.parent?.args.slice(1) ?? [];
      full.argument('[pipeline]').parse(args, { from: 'user' });
      const flags = full.opts<RunFlags & Record<string, unknown>>();
      process.exitCode = await execute(buildPipeline(loaded.definition, flags), loaded.sha256, flags);
    });
}

/** Runs a built pipeline with progress, signals and a summary. @returns the exit code */
export async function execute(pipeline: Pipeline, definition: string | undefined, flags: RunFlags): Promise<number> {
  const output = flags.output ?? `out/${pipeline.name}`;
  const reporter = reporterFor(flags.progress ?? 'auto');
  const counter = new Counter();
  const stop = interruptible(reporter);
  const timer =
    reporter.every === 0 ? undefined : setInterval(() => reporter.show(counter.snapshot()), reporter.every).unref();
  const quiet = watchProgress(counter, reporter, (flags.stallSeconds ?? 600) * 1000);
  const unwatch = watchForStall(
    () => counter.running.values(),
    (error) => {
      reporter.clear();
      renderError(error);
      process.exit(exitCode.stalled);
    },
  );
  try {
    const summary = await run(pipeline, {
      output,
      definition,
      limit: flags.limit,
      workers: flags.workers,
      fresh: flags.fresh,
      maxRejectRate: flags.maxRejectRate,
      model: modelSettings(flags),
      media: mediaSettings(flags),
      memory: flags.memory === undefined ? undefined : parseBytes(flags.memory),
      splitBytes: flags.splitBytes === undefined ? undefined : parseBytes(flags.splitBytes),
      signal: stop.signal,
      onEvent: (event) => onEvent(event, counter, reporter, flags),
    });
    const times = flags.profile ? await timesOrNone(reporter) : [];
    reporter.clear();
    finish(summary, counter, flags);
    showProfile(times, flags.progress === 'json');
    return summary.rejects > 0 ? exitCode.rejects : exitCode.ok;
  } catch (error) {
    reporter.clear();
    if (!stop.signal.aborted) throw error;
    await Promise.all([sharedPool().settle(), closeSharedDevices(), closeSharedCoders()]);
    process.stderr.write(
      `interrupted; committed splits stay. To resume, run the same command again (--output ${output})\n`,
    );
    return exitCode.interrupted;
  } finally {
    clearInterval(timer);
    clearInterval(quiet);
    unwatch();
    stop.dispose();
  }
}

function onEvent(event: RunEvent, counter: Counter, reporter: Reporter, flags: RunFlags): void {
  if (event.type === 'planned') {
    const { plan, memory } = event;
    counter.see(event);
    reporter.note(
      `${plan.pipeline}: ${plural(plan.splits.length, 'split')}, ${bytes(plan.splits.reduce((sum, split) => sum + split.bytes, 0))} of input, ` +
        `${plural(workersOf(flags), 'worker')}, memory bound ${bytes(memory.bound)}` +
        (event.committed.size > 0 ? `; resuming, ${plural(event.committed.size, 'split')} committed before` : '') +
        (plan.left_out > 0 ? `; ${plural(plan.left_out, 'input')} left out, see ${PLAN_REJECTS}` : ''),
    );
    for (const warning of plan.warnings ?? []) reporter.note(`warning: ${warning}`);
    if (flags.progress === 'json') {
      const { digest, splits, left_out, warnings = [] } = plan;
      jsonLine({
        event: 'planned',
        pipeline: plan.pipeline,
        digest,
        splits: splits.length,
        left_out,
        warnings: [...warnings],
        committed: event.committed.size,
        memory_bound: memory.bound,
      });
    }
    return;
  }
  counter.see(event);
  if (event.type === 'stage') {
    reporter.note(`${event.name}: ${plural(event.tasks, 'task')}`);
    if (flags.progress === 'json') jsonLine({ event: 'stage', name: event.name, tasks: event.tasks });
  }
  if (event.type === 'task' && flags.progress === 'json') {
    jsonLine({ event: 'task', task: event.record.split, ...event.record.counts });
  }
  if (event.type === 'retried') {
    const { split, on, reason } = event;
    const where = on === 'cpu' ? 'on the CPU' : 'on a fresh device';
    reporter.note(`split ${split} is done again ${where}: ${reason}`);
    if (flags.progress === 'json') jsonLine({ event: 'retried', split, on, reason });
  }
  if (event.type === 'committed' && flags.progress === 'json') {
    jsonLine({ event: 'committed', split: event.record.split, ...event.record.counts, rejects: event.record.rejects });
  }
}

function finish(summary: RunSummary, counter: Counter, flags: RunFlags): void {
  const { counts, rejects, output } = summary;
  const last = counter.snapshot();
  const documents = counts['documents'] ?? 0;
  const total = counts['bytes'] ?? 0;
  const patches = counts['patches'] ?? 0;
  const { duplicates } = counts;
  const facts = {
    documents,
    documents_read: counts['documents_read'] ?? 0,
    rejects,
    bytes: total,
    duplicates: duplicates ?? null,
    filtered: counts['filtered'] ?? null,
    attached: counts['attached'] ?? null,
    patches,
    mean_patch_bytes: patches === 0 ? null : total / patches,
    // patches that were read from files may come without entropies of their bytes
    mean_entropy_nats: patches === 0 || !counts['entropy'] ? null : counts['entropy'] / total,
    seconds: summary.seconds,
    // of what a model has read, or of the input where there is none
    bytes_per_second: (patches > 0 ? last.bytes : last.input_bytes.now) / summary.seconds,
    splits: summary.splits,
    splits_run_now: summary.ran,
    weight_cache: sharedLayerCounts() ?? null,
    splits_moved_to_cpu: counts[MOVED_TO_CPU] ?? 0,
    output,
  };
  if (flags.progress === 'json') {
    jsonLine({ event: 'summary', ...facts });
    return;
  }
  const lines = [
    `output         ${output}`,
    ...(duplicates === undefined ? [] : [`read           ${plural(facts.documents_read, 'document')}`]),
    // exports that read ranges of rows know of none
    ...(documents === 0 && patches > 0 ? [] : [`documents      ${count(documents)}`]),
    ...(facts.filtered === null ? [] : [`passed over    ${plural(facts.filtered, 'row')} that where leaves out`]),
    ...(documents === 0 && facts.filtered !== null && rejects === 0
      ? ['nothing left   no row passed where: check its values against the columns they name']
      : []),
    ...(facts.attached === null ? [] : [`attached       ${plural(facts.attached, 'file')}`]),
    `bytes          ${count(total)}`,
    ...(duplicates === undefined ? [] : [`duplicates     ${count(duplicates)}`]),
    ...(patches > 0 ? [`patches        ${count(patches)}`] : []),
    ...(facts.mean_patch_bytes === null ? [] : [`mean patch     ${facts.mean_patch_bytes.toFixed(2)} bytes`]),
    ...(facts.mean_entropy_nats === null ? [] : [`mean entropy   ${facts.mean_entropy_nats.toFixed(3)} nats a byte`]),
    summary.ran === 0 && counter.tasks === 0
      ? 'nothing to do   every split was committed before'
      : `time           ${duration(summary.seconds)}, ${(facts.bytes_per_second / 1e6).toPrecision(3)} MB/s`,
    ...weightCache(facts.weight_cache),
    ...(facts.splits_moved_to_cpu > 0
      ? [
          `device lost    ${plural(facts.splits_moved_to_cpu, 'split')} done on the CPU instead; their numbers differ in the last bits`,
        ]
      : []),
    ...(rejects > 0 ? [`rejects        ${count(rejects)}, see ${output}/rejects`] : []),
    `check it with  ${selfCommand} verify ${path.relative(process.cwd(), output) || '.'}`,
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Times are asked of the device when the output is there: a device that fails now spoils nothing. */
function timesOrNone(reporter: Reporter): Promise<DeviceTimes[]> {
  return sharedTimes().catch((error: unknown) => {
    reporter.note(`no profile: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  });
}

function weightCache(counts: LayerCounts | null): string[] {
  const visits = counts === null ? 0 : counts.hits + counts.misses;
  if (counts === null || visits === 0) return [];
  const decoded = counts.misses + counts.prefetched;
  const share = ((100 * counts.hits) / visits).toFixed(1);
  return [
    `weight cache   ${share} % of ${count(visits)} uses of a layer found it decoded; ` +
      `${count(decoded)} decoded, ${count(counts.prefetched)} of them ahead of use`,
  ];
}

/** The first SIGINT or SIGTERM ends the run cleanly; the second waits for nothing but the threads at work. */
function interruptible(reporter: Reporter): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      void sharedPool()
        .settle()
        .finally(() => process.exit(exitCode.interrupted));
      return;
    }
    reporter.clear();
    process.stderr.write('stopping; the splits in hand are dropped and will be done again\n');
    controller.abort(new SluiceError('interrupted', { code: 'INTERRUPTED' }));
    // Nothing else ends a thread that hangs in native code.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), PATIENCE_MS).unref();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

/** Tells what every stage waits for when nothing has moved for a while. */
function watchProgress(counter: Counter, reporter: Reporter, patience: number): NodeJS.Timeout {
  let before = '';
  return setInterval(() => {
    const state = [...counter.running.values()].map((one) => `${one.tally.bytesRead}/${one.tally.bytes}`).join();
    if (state === before && counter.running.size > 0) {
      reporter.note(`no progress for ${duration(patience / 1000)}:\n${explainStall(counter.running.values())}`);
    }
    before = state;
  }, patience).unref();
}
