import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { HttpSettings } from '../../../src/storage/http/settings.ts';
import type { Wanted } from '../../../src/storage/hub/download.ts';
import { Hub as Client } from '../../../src/storage/hub/hub.ts';
import type { HubOptions } from '../../../src/storage/hub/settings.ts';
import { type Hub, type HubSetup, startHub } from '../../support/hub/hub.ts';

/** Retries at once, and knows a stall when it sees one. */
export const QUICK: HttpSettings = { backoff: { firstMs: 1, mostMs: 4 }, stallMs: 400 };

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-hub-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A Hub that ends with the test. */
export async function loopback(setup: HubSetup): Promise<Hub> {
  const hub = await startHub(setup);
  onTestFinished(() => hub.close());
  return hub;
}

/** Options that depend on nothing of the machine. */
export function optionsFor(hub: Hub, options: HubOptions = {}): HubOptions {
  return { endpoint: hub.url, token: false, cacheFolder: temporaryFolder(), offline: false, ...options };
}

export function clientOf(hub: Hub, options: HubOptions = {}, http: HttpSettings = {}): Client {
  const client = new Client(optionsFor(hub, options), { ...QUICK, ...http });
  onTestFinished(() => client.close());
  return client;
}

export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

export async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(chunks));
}

/** A file that is there. */
export async function lookOne(client: Client, repository: string, commit: string, name: string): Promise<Wanted> {
  const found = (await client.look(repository, commit, [name])).get(name);
  if (found === undefined || found === 'folder') throw new Error(`there is no ${name}`);
  return { ...found, repository, commit };
}
