import { Command } from 'commander';
import type { JsonValue } from '../../json.ts';
import type { Pipeline } from '../../run/definition.ts';
import { parseBytes } from '../../run/memory.ts';
import { listSplits, makeRecipe, stagesOf } from '../../run/plan.ts';
import { planNotes } from '../../run/planNotes.ts';
import { planMemory } from '../../run/run.ts';
import { stepsOf } from '../../run/stages.ts';
import { bytes, count, plural } from '../format.ts';
import { loadPipeline } from '../loadPipeline.ts';
import { type MediaFlags, mediaSettings, withMediaFlags } from '../mediaFlags.ts';
import { type ModelFlags, modelSettings, withModelFlags } from '../modelFlags.ts';
import { addParameters, buildPipeline } from '../parameters.ts';
import { jsonLine } from '../progress/reporters.ts';
import { positiveInteger } from '../values.ts';

interface PlanFlags extends ModelFlags, MediaFlags {
  readonly limit?: number;
  readonly workers?: number;
  readonly memory?: string;
  readonly splitBytes?: string;
  readonly json?: boolean;
}

function withPlanFlags(command: Command): Command {
  return withMediaFlags(withModelFlags(command))
    .option('--limit <n>', 'documents to read at most', positiveInteger)
    .option('--workers <n>', 'worker threads (default: one per core)', positiveInteger)
    .option('--memory <size>', 'divide this much memory over the stages')
    .option('--split-bytes <size>', 'input bytes a split aims at (default: 8MiB)')
    .option('--json', 'one JSON object on stdout');
}

export function planCommand(): Command {
  return withPlanFlags(new Command('plan'))
    .argument('<pipeline>', 'path of a pipeline file, or the name of one in pipelines/')
    .description('show stages, rooms, memory bound and splits of a pipeline, and run nothing')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .addHelpText('after', '\nA pipeline adds flags of its own: put --help behind its name.')
    .action(async (name: string, _flags: PlanFlags, command: Command) => {
      if (name === '--help' || name === '-h') {
        command.outputHelp();
        return;
      }
      const loaded = await loadPipeline(name);
      const full = withPlanFlags(new Command(`sluice plan ${name}`)).argument('[pipeline]');
      addParameters(full, loaded.definition);
      full.exitOverride().parse(command.parent?.args.slice(1) ?? [], { from: 'user' });
      const flags = full.opts<PlanFlags & Record<string, unknown>>();
      await show(buildPipeline(loaded.definition, flags), loaded.sha256, flags);
    });
}

async function show(given: Pipeline, definition: string, flags: PlanFlags): Promise<void> {
  const pipeline = { ...given, model: modelSettings(flags), media: mediaSettings(flags) };
  const splitBytes = flags.splitBytes === undefined ? undefined : parseBytes(flags.splitBytes);
  const recipe = await makeRecipe(pipeline, { definition, limit: flags.limit, splitBytes });
  const { splits, rejects, warnings } = await listSplits(pipeline, recipe.split_bytes);
  const memory = planMemory(
    pipeline,
    { workers: flags.workers, memory: flags.memory === undefined ? undefined : parseBytes(flags.memory) },
    splits,
  );
  const stages = stagesOf(pipeline).map((stage, i) => ({
    name: stage.name,
    kind: stage.kind,
    room: memory.rooms[i]?.room,
    holds: stage.holds ?? 0,
  }));
  const notes = await planNotes(pipeline, splits);
  const steps = stepsOf(pipeline).map((step) =>
    step.kind === 'stage' ? step.stage.name : step.name || 'the run proper',
  );
  const total = splits.reduce((sum, split) => sum + split.bytes, 0);
  if (flags.json) {
    jsonLine({ ...recipe, rooms: stages.reverse(), steps, notes, warnings, memory, splits, left_out: rejects.count });
    return;
  }
  const out = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  out(`pipeline ${pipeline.name}`);
  out(`source   ${pipeline.source.kind} ${describeOptions(pipeline.source.options)}`);
  for (const { name, room, holds } of stages.reverse()) {
    const size = room?.bytes === undefined ? '' : ` of at most ${bytes(room.bytes)}`;
    out(
      `stage    ${name.padEnd(14)} room ${room?.items ?? 'any'} values${size}${holds > 0 ? `, holds ${bytes(holds)}` : ''}`,
    );
  }
  for (const sink of pipeline.sinks) out(`sink     ${sink.kind.padEnd(14)} holds ${bytes(sink.holds)}`);
  if (steps.length > 1) out(`steps    ${steps.join(', ')}`);
  for (const note of notes) out(`note     ${note}`);
  for (const warning of warnings) out(`warning  ${warning}`);
  for (const part of memory.parts) if (part.bytes > 0) out(`memory   ${bytes(part.bytes).padStart(8)}  ${part.what}`);
  const most = memory.largest === undefined ? '' : `; ${memory.largest} takes most, more than the run proper above`;
  out(
    `memory   ${bytes(memory.bound).padStart(8)}  bound, with ${plural(memory.splitsInFlight, 'split')} in flight${most}`,
  );
  out(`splits   ${count(splits.length)}, ${bytes(total)} of input`);
  for (const split of splits.slice(0, 20))
    out(`  ${split.id}  ${bytes(split.bytes).padStart(8)}  ${describeSpec(split.spec)}`);
  if (splits.length > 20) out(`  ... and ${count(splits.length - 20)} more`);
  if (rejects.count > 0) out(`left out ${count(rejects.count)} inputs:\n${rejects.text().trimEnd()}`);
}

/** Options that say something: those that are null or empty are as good as not there. */
function describeOptions(options: JsonValue): string {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return JSON.stringify(options);
  const empty = new Set(['null', '[]', '{}', 'false']);
  const said = Object.entries(options).map(([name, value]) => [name, JSON.stringify(value)] as const);
  return said.flatMap(([name, text]) => (empty.has(text) ? [] : `${name} ${text}`)).join(', ');
}

/** What a split reads: its first file with the part of it, and how many more. */
function describeSpec(spec: JsonValue): string {
  const [first, ...others] = slicesOf(spec);
  if (first === undefined) return shortened(JSON.stringify(spec));
  const { uri, range } = first;
  const part = Object.entries(range ?? {}).map(([name, value]) => ` ${name} ${value}`);
  return `${shortened(`${uri}${part.join('')}`)}${others.length === 0 ? '' : ` and ${plural(others.length, 'file')} more`}`;
}

type SliceJson = { readonly uri?: JsonValue; readonly range?: { readonly [name: string]: JsonValue } };

function slicesOf(spec: JsonValue): readonly SliceJson[] {
  const slices = (spec as { readonly slices?: readonly SliceJson[] } | null)?.slices;
  return Array.isArray(slices) ? slices : [];
}

const shortened = (text: string): string => (text.length > 100 ? `${text.slice(0, 97)}...` : text);
