import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { workerModule } from '../../run/pool.ts';
import type { GpuReport } from './gpuProbeMain.ts';

const MAIN = workerModule(import.meta.url, './gpuProbeMain');
/** What Linux has where there is a GPU: NVIDIA's, any with a kernel driver, WSL's. */
const NODES = ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dri', '/dev/dxg'];
const PATIENCE_MS = 30_000;

let found: boolean | undefined;

/**
 * Whether WebGPU finds a GPU here that is no program on the CPU. Asked once, and not at all on a Linux that has no device
 * of the kind.
 */
export function hasGpu(): boolean {
  found ??= mayHaveGpu() && reportGpus().hardware !== undefined;
  return found;
}

/** What WebGPU finds here. Asked in a process of its own, for a driver may take its process along. */
export function reportGpus(): GpuReport {
  const flags = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
  const { stdout, status, signal, error } = spawnSync(process.execPath, [...flags, MAIN], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PATIENCE_MS,
  });
  if (status === 0) return JSON.parse(stdout) as GpuReport;
  return { adapters: [], problem: `looking for a GPU ended with ${error?.message ?? signal ?? `exit code ${status}`}` };
}

const mayHaveGpu = (): boolean => process.platform !== 'linux' || NODES.some((node) => existsSync(node));
