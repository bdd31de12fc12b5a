import { SluiceError } from '../../../src/errors.ts';
import { HttpClient } from '../../../src/storage/http/client.ts';
import type { RemoteIdentity } from '../../../src/storage/http/facts.ts';
import type { HttpSettings } from '../../../src/storage/http/settings.ts';

/** A client for servers on loopback that loses no time. */
export function quickClient(settings: HttpSettings = {}): HttpClient {
  return new HttpClient({ allowPrivate: true, stallMs: 300, backoff: { firstMs: 1, mostMs: 4 }, ...settings });
}

/** Bytes of which no two stretches are alike. */
export function noise(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed >>> 0;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state ^ (state >>> 15);
  }
  return new Uint8Array(words.buffer, 0, length);
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk));
  return Buffer.concat(all);
}

export function read(client: HttpClient, file: RemoteIdentity, start = 0, end = file.size): Promise<Buffer> {
  return collect(client.range(file, start, end));
}

/** The error that something fails with. */
export async function failure(work: Promise<unknown>): Promise<SluiceError> {
  const error = await work.then(
    (value) => new Error(`no error, but ${String(value).slice(0, 100)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof SluiceError) return error;
  throw error;
}
