import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished } from 'vitest';
import type { DocumentHead, Patches, Segment } from '../../src/records.ts';
import { OutputFolder } from '../../src/run/durable.ts';
import type { Artefact } from '../../src/sinks/artefact.ts';
import type { Sink } from '../../src/sinks/sink.ts';
import type { Split } from '../../src/sources/source.ts';

/** One document as a test thinks of it: the patch lengths of each of its segments. */
export interface Sketch {
  readonly id?: string;
  readonly segments: readonly (readonly number[])[];
  readonly meta?: DocumentHead['meta'];
  readonly derived?: string;
  readonly record?: string;
}

export const sketches = (options: { maxLength?: number; maxPatches?: number } = {}): fc.Arbitrary<Sketch[]> =>
  fc.array(
    fc.record({
      segments: fc.array(
        fc.array(fc.integer({ min: 1, max: options.maxLength ?? 40 }), { maxLength: options.maxPatches ?? 30 }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
    { maxLength: 12 },
  );

/** A value that depends on its place alone, so that files can be compared whatever way the flow was divided. */
function wave(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => 1 + ((seed * 31 + i * 17) % 97) / 16);
}

/** Whole segments as one value each. */
export function patchesOf(documents: readonly Sketch[], dim = 4): Patches[] {
  return documents.flatMap((sketch, ordinal) => {
    const total = sketch.segments.flat().reduce((sum, length) => sum + length, 0);
    const document: DocumentHead = {
      id: sketch.id ?? `doc-${ordinal}`,
      ...(sketch.record === undefined ? {} : { record: sketch.record }),
      source: { split: '00000', uri: `in/${ordinal}.txt`, position: { ordinal, line: ordinal + 1 } },
      byteLength: total,
      meta: sketch.meta ?? { n: ordinal },
    };
    let start = 0;
    return sketch.segments.map((lengths, index) => {
      const size = lengths.reduce((sum, length) => sum + length, 0);
      const seed = ordinal * 100 + index;
      const segment: Segment = {
        document,
        index,
        last: index === sketch.segments.length - 1,
        bytes: Uint8Array.from({ length: size }, (_, i) => (seed * 7 + i * 13) % 256),
        label: `part ${index}`,
        modality: index % 2 === 0 ? 'text' : 'code',
        mediaType: 'text/plain',
        origin: { start, end: start + size, ...(sketch.derived === undefined ? {} : { derived: sketch.derived }) },
        meta: {},
      };
      start += size;
      const count = lengths.length;
      return {
        segment,
        offset: 0,
        bytes: segment.bytes,
        last: true,
        lengths: Int32Array.from(lengths),
        embeddings: wave(count * dim, seed),
        dim,
        prominence: wave(count, seed + 1),
        entropy: wave(count, seed + 2),
        coherence: wave(count, seed + 3),
        entropies: wave(size, seed + 4),
        norms: wave(size, seed + 5),
      };
    });
  });
}

/** The same flow with every value divided after some of its patches; `at` says after how many, over and over. */
export function divided(values: readonly Patches[], at: readonly number[]): Patches[] {
  let turn = 0;
  const next = (): number => at[turn++ % at.length] ?? 1;
  return values.flatMap((value) => {
    const pieces: Patches[] = [];
    for (let from = 0, byteFrom = 0; from < value.lengths.length || pieces.length === 0; ) {
      const to = Math.min(value.lengths.length, from + next());
      const byteTo = byteFrom + value.lengths.subarray(from, to).reduce((sum, length) => sum + length, 0);
      pieces.push({
        segment: value.segment,
        offset: value.offset + byteFrom,
        bytes: value.bytes.subarray(byteFrom, byteTo),
        last: value.last && to === value.lengths.length,
        lengths: value.lengths.subarray(from, to),
        embeddings: value.embeddings.subarray(from * value.dim, to * value.dim),
        dim: value.dim,
        prominence: value.prominence.subarray(from, to),
        entropy: value.entropy.subarray(from, to),
        coherence: value.coherence.subarray(from, to),
        entropies: value.entropies.subarray(byteFrom, byteTo),
        norms: value.norms.subarray(byteFrom, byteTo),
      });
      from = to;
      byteFrom = byteTo;
    }
    return pieces;
  });
}

/** A temporary folder that goes away with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-test-'));
  // Outside a test, in a hook, whoever asked takes it away.
  if (expect.getState().currentTestName !== undefined)
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export const split = (id = '00000'): Split => ({ id, bytes: 0, spec: null });

export interface Written {
  readonly root: string;
  readonly artefacts: Artefact[];
  readonly counts: Record<string, number>;
}

/** Runs values through sinks as one split, as the run engine does. */
export async function writeAll<T>(
  sinks: readonly Sink<T>[],
  values: Iterable<T>,
  root?: string,
  id = '00000',
): Promise<Written> {
  const folder = new OutputFolder(root ?? (await temporaryFolder()));
  await folder.prepare();
  const artefacts: Artefact[] = [];
  const context = {
    split: split(id),
    async file(name: string) {
      const file = await folder.file(name);
      const publish = async (info: Artefact['info']): Promise<Artefact> => {
        const artefact = await file.publish(info);
        artefacts.push(artefact);
        return artefact;
      };
      return { temporary: file.temporary, write: (chunk: Uint8Array) => file.write(chunk), publish };
    },
  };
  const writers = await Promise.all(sinks.map((sink) => sink.open(context)));
  for (const value of values) await Promise.all(writers.map((writer) => writer.write(value)));
  const counts: Record<string, number> = {};
  for (const writer of writers) Object.assign(counts, await writer.finish());
  artefacts.sort((a, b) => (a.path < b.path ? -1 : 1));
  await folder.tidy();
  return { root: folder.root, artefacts, counts };
}

/** Every file of a folder with its bytes. */
export async function filesOf(root: string, dir = 'shards'): Promise<Map<string, Buffer>> {
  const names = await readdir(path.join(root, dir)).catch(() => []);
  return new Map(
    await Promise.all(names.sort().map(async (name) => [name, await readFile(path.join(root, dir, name))] as const)),
  );
}
