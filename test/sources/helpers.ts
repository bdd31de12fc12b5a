import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Header, pack } from 'tar-stream';
import { onTestFinished } from 'vitest';
import type { RecordError } from '../../src/errors.ts';
import type { Document } from '../../src/records.ts';
import { withRun } from '../../src/run/context.ts';
import type { Source, Split } from '../../src/sources/index.ts';

export interface Reject {
  readonly stage: string;
  readonly error: RecordError;
  readonly payload: Uint8Array | undefined;
}

export interface Outcome<T> {
  readonly splits: readonly Split[];
  readonly records: T[];
  readonly rejects: Reject[];
  readonly planRejects: RecordError[];
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-sources-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function plan<T>(
  source: Source<T>,
  splitBytes: number,
  planRejects: RecordError[] = [],
): Promise<Split[]> {
  const splits: Split[] = [];
  for await (const split of source.splits({ splitBytes, reject: (error) => planRejects.push(error) })) {
    // As it comes back from a plan file.
    splits.push({ ...(JSON.parse(JSON.stringify(split)) as Split), id: String(splits.length).padStart(5, '0') });
  }
  return splits;
}

export function readSplit<T>(source: Source<T>, split: Split, rejects: Reject[] = []): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const records: T[] = [];
    const context = {
      reject: (stage: string, error: RecordError, payload?: Uint8Array) => rejects.push({ stage, error, payload }),
    };
    withRun(context, () =>
      source
        .read(split)
        .subscribe({ next: (record) => records.push(record), error: reject, complete: () => resolve(records) }),
    );
  });
}

/** Plans a source and reads every split of it. */
export async function readAll<T>(source: Source<T>, splitBytes = 1 << 20): Promise<Outcome<T>> {
  const planRejects: RecordError[] = [];
  const rejects: Reject[] = [];
  const records: T[] = [];
  const splits = await plan(source, splitBytes, planRejects);
  for (const split of splits) records.push(...(await readSplit(source, split, rejects)));
  return { splits, records, rejects, planRejects };
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are in use by JavaScript; what is only waiting to be collected does not count. */
export function bytesInUse(): number {
  // Buffers are given back by another thread; the second collection waits for it.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

export const text = (document: Document): string => Buffer.from(document.bytes).toString('utf8');

export const codes = (outcome: Outcome<unknown>): string[] => [
  ...outcome.planRejects.map(({ code }) => code),
  ...outcome.rejects.map(({ error }) => error.code),
];

/** What must not depend on how an input was cut into splits. */
export const content = (documents: readonly Document[]): unknown[] =>
  documents.map(({ id, bytes, source, meta }) => {
    const { byte, row, member, part } = source.position;
    return { id, uri: source.uri, text: Buffer.from(bytes).toString('latin1'), byte, row, member, part, meta };
  });

export async function tarOf(
  members: readonly (Partial<Header> & { name: string; content?: Uint8Array | string })[],
): Promise<Buffer> {
  const packed = pack();
  for (const { content: body, ...header } of members) packed.entry(header, Buffer.from(body ?? ''));
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
