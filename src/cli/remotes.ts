import { createRequire } from 'node:module';
import { hubSettings } from '../storage/hub/settings.ts';
import type { Finding } from './backends.ts';

const require = createRequire(import.meta.url);

const installed = (name: string): boolean => {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
};

const optional = (part: string, use: string, names: readonly string[]): Finding => {
  const missing = names.filter((name) => !installed(name));
  return missing.length === 0
    ? { part, state: 'ok', detail: `${names.join(', ')}: ${use}` }
    : { part, state: 'off', detail: `${use} needs it: npm install ${missing.join(' ')}` };
};

/** What of the world outside can be read, as far as that shows without asking anybody. */
export function remotes(): Finding[] {
  return [
    hub(),
    optional('s3', 's3:// inputs', ['@aws-sdk/client-s3', '@aws-sdk/s3-request-presigner']),
    optional('arrow', 'Arrow IPC files', ['apache-arrow']),
  ];
}

function hub(): Finding {
  const part = 'hugging face hub';
  try {
    const { endpoint, tokenFrom, tokenFile, cacheFolder, offline } = hubSettings();
    const who = tokenFrom === undefined ? `no token (HF_TOKEN or ${tokenFile})` : `token from ${tokenFrom}`;
    return offline
      ? { part, state: 'off', detail: `HF_HUB_OFFLINE: only what is in ${cacheFolder}` }
      : { part, state: 'untried', detail: `${endpoint}, ${who}, cache ${cacheFolder}` };
  } catch (error) {
    return { part, state: 'missing', detail: (error as Error).message };
  }
}
