import { homedir } from 'node:os';
import path from 'node:path';

/** Folder of what sluice keeps between runs: `SLUICE_CACHE`, else `sluice` in the user's folder for caches (`XDG_CACHE_HOME`). */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return path.resolve(
    env['SLUICE_CACHE'] || path.join(env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'sluice'),
  );
}
