import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { constants } from 'node:zlib';
import { Command } from 'commander';
import { silenceRuntime } from '../../model/cpu/session.ts';
import { defaultModelDir, openModel } from '../../model/index.ts';
import { exitCode } from '../../run/exitCodes.ts';
import { packageRoot, version } from '../../run/version.ts';
import { backends, type Finding } from '../backends.ts';
import { bytes } from '../format.ts';
import { mediaFindings } from '../media.ts';
import { jsonLine } from '../progress/reporters.ts';
import { remotes } from '../remotes.ts';

const require = createRequire(import.meta.url);

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('tell what this machine has, what is off, what is missing and how to get it')
    .option('--check', 'run the default model on the CPU, on the GPU and on every backend that ONNX Runtime lists here')
    .option('--ffmpeg-path <path>', 'the ffmpeg program to look at (default: the one on the PATH)')
    .option('--json', 'one JSON object a line')
    .action(async (flags: { json?: boolean; check?: boolean; ffmpegPath?: string }) => {
      for await (const finding of findings(flags.check ?? false, flags.ffmpegPath)) {
        if (flags.json) jsonLine(finding);
        else process.stdout.write(`${finding.state.padEnd(8)}${finding.part.padEnd(20)}${finding.detail}\n`);
        if (finding.state === 'missing') process.exitCode = exitCode.failed;
      }
    });
}

async function* findings(check: boolean, ffmpegPath: string | undefined): AsyncIterable<Finding> {
  yield* [...machine(), ...packages(), await model()];
  yield* backends(check);
  yield* remotes();
  yield* mediaFindings(ffmpegPath);
  yield* features();
}

function machine(): Finding[] {
  return [
    { part: 'sluice', state: 'ok', detail: version },
    { part: 'node', state: 'ok', detail: `${process.versions.node} on ${process.platform}-${process.arch}` },
    { part: 'processor', state: 'ok', detail: `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown'}` },
    { part: 'memory', state: 'ok', detail: bytes(totalmem()) },
    'ZSTD_c_compressionLevel' in constants
      ? { part: 'zstd', state: 'ok', detail: 'in node:zlib' }
      : { part: 'zstd', state: 'missing', detail: 'this Node has no Zstandard; use 22.18 or newer' },
  ];
}

function packages(): Finding[] {
  const optional = (name: string, use: string, load: () => string): Finding => {
    try {
      return { part: name, state: 'ok', detail: `${installed(name)}, ${load()}` };
    } catch (error) {
      const why = (error as Error).message.split('\n')[0];
      return { part: name, state: 'missing', detail: `${use} needs it: npm install ${name} (${why})` };
    }
  };
  return [
    optional('onnxruntime-node', 'the entropy model', () => {
      silenceRuntime();
      require('onnxruntime-node');
      return 'loads';
    }),
    optional('better-sqlite3', 'the hypergraph sidecar and SQLite tables', () => {
      const Database = require('better-sqlite3') as new (
        file: string,
      ) => { prepare(sql: string): { pluck(): { get(): string } }; close(): void };
      const db = new Database(':memory:');
      const sqlite = db.prepare('select sqlite_version()').pluck().get();
      db.close();
      return `SQLite ${sqlite}`;
    }),
  ];
}

function installed(name: string): string {
  const file = new URL(`node_modules/${name}/package.json`, packageRoot);
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  } catch {
    return 'installed';
  }
}

async function model(): Promise<Finding> {
  try {
    const { id, config, autoThreshold, dir } = await openModel(defaultModelDir());
    return {
      part: 'default model',
      state: 'ok',
      detail: `${dir}: dim ${config.dim}, ${config.layers} layers, window ${config.window}, auto threshold ${autoThreshold ?? 'none'}, ${id.slice(0, 12)}`,
    };
  } catch (error) {
    return { part: 'default model', state: 'missing', detail: (error as Error).message };
  }
}

function features(): Finding[] {
  return [{ part: 'cluster engines', state: 'off', detail: 'this version runs on one machine' }];
}
