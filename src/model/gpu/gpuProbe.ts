import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { workerModule } from '../../run/pool.ts';

const MAIN = workerModule(import.meta.url, './gpuProbeMain');
/** What Linux has where there is a GPU: NVIDIA's, any with a kernel driver, WSL's. */
const NODES = ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dri', '/dev/dxg'];
const PATIENCE_MS = 30_000;

let found: boolean | undefined;

/**
 * Whether WebGPU finds a GPU here that is no program on the CPU. Asked once, in a process of its own, for a driver may take
 * its process along; not asked at all on a Linux that has no device of the kind.
 */
export function hasGpu(): boolean {
  found ??= mayHaveGpu() && probe();
  return found;
}

const mayHaveGpu = (): boolean => process.platform !== 'linux' || NODES.some((node) => existsSync(node));

function probe(): boolean {
  const flags = process.execArgv.filter((flag) => flag.startsWith('--conditions='));
  return spawnSync(process.execPath, [...flags, MAIN], { stdio: 'ignore', timeout: PATIENCE_MS }).status === 0;
}
