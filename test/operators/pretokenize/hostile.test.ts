import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RecordError } from '../../../src/errors.ts';
import { pull } from '../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../src/operators/pretokenize.ts';
import type { Document, Segment } from '../../../src/records.ts';
import { withRun } from '../../../src/run/context.ts';
import { documentOf } from '../../support/cuts.ts';
import { mostResident } from '../../support/decoders.ts';

/**
 * Files that were damaged, or made up, of every format, through all of `pretokenize`. SLUICE_HOSTILE is how many of each
 * kind (default 150), SLUICE_HOSTILE_SEED where their dice begin (default 1).
 */
const COUNT = Number(process.env['SLUICE_HOSTILE'] ?? 150);
const SEED = Number(process.env['SLUICE_HOSTILE_SEED'] ?? 1);
const MEDIA = join(import.meta.dirname, '../../fixtures/media');
const MiB = 1 << 20;
const LIMITS = { seconds: 5, memoryBytes: 512 * MiB, processes: 2 };
const OPTIONS: PretokenizeOptions = {
  limits: LIMITS,
  text: { markup: 'text', normalise: 'NFC' },
  pdf: { mode: 'multiview' },
};

interface File {
  readonly name: string;
  readonly bytes: Buffer;
}

/** What is not a file of its format: expected values beside it. */
const isExpected = (name: string): boolean => /\.(s16|rgb|rgba|json|md|sh)$/.test(name);

const pages = ['html', 'md', 'eml', 'mbox'].map((type) => ({
  name: `markup.${type}`,
  bytes: Buffer.from(
    {
      html: '<!DOCTYPE html><html lang=en><title>T</title><nav>n</nav><main><p>Text é<table><tr><td>a<td>b</table></main>',
      md: '---\ntitle: T\n---\n# A\n\n- b\n  - *c* [d](e)\n\n| a |\n|---|\n| b |\n',
      eml: 'From: a@b\r\nTo: c@d\r\nSubject: e\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x\r\nContent-Type: text/html; name=a.html\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+YQ==\r\n--x--\r\n',
      mbox: 'From a@b.org Sat Nov 21 10:00:00 2026\nFrom: a@b.org\nSubject: c\n\ntext\n',
    }[type] ?? '',
  ),
}));

const files: readonly File[] = [
  ...readdirSync(MEDIA, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !isExpected(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: path.slice(MEDIA.length + 1).replace(/\.txt$/, ''), bytes: readFileSync(path) }))
    .filter(({ bytes }) => bytes.length > 0 && bytes.length <= 256 << 10),
  ...pages,
];

/** Dice that fall the same way for a seed (Mulberry32). */
function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Roll = ReturnType<typeof dice>;

const random = (roll: Roll, length: number): Buffer => Buffer.from(Array.from({ length }, () => roll(256)));

const mutations: readonly ((bytes: Buffer, roll: Roll) => Buffer)[] = [
  (bytes, roll) => {
    for (let n = roll(20); n >= 0; n--) bytes[roll(bytes.length)] = roll(256);
    return bytes;
  },
  (bytes, roll) => {
    for (let n = roll(4); n >= 0; n--) bytes[roll(bytes.length)]! ^= 1 << roll(8);
    return bytes;
  },
  (bytes, roll) => bytes.subarray(0, 1 + roll(bytes.length)),
  (bytes, roll) => {
    const at = roll(bytes.length);
    return bytes.fill([0, 0xff, 0x7f, 0x80][roll(4)] ?? 0, at, Math.min(bytes.length, at + 1 + roll(64)));
  },
  (bytes, roll) => {
    const [from, to] = [roll(bytes.length), roll(bytes.length)];
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, from + roll(2000)), bytes.subarray(to)]);
  },
  (bytes, roll) => {
    const at = roll(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + roll(200))]);
  },
  (bytes, roll) => {
    const at = roll(bytes.length);
    const huge = [0xffffffff, 0x7fffffff, 0x80000000, 0x10000, 0][roll(5)] ?? 0;
    if (at + 4 <= bytes.length) bytes[roll(2) === 0 ? 'writeUInt32LE' : 'writeUInt32BE'](huge, at);
    return bytes;
  },
  (bytes, roll) => {
    const other = files[roll(files.length)]?.bytes ?? bytes;
    return Buffer.concat([bytes.subarray(0, roll(bytes.length)), other.subarray(roll(other.length))]);
  },
];

interface Outcome {
  readonly segments: readonly Segment[];
  readonly rejects: readonly RecordError[];
}

async function cut(documents: readonly Document[]): Promise<Outcome> {
  const segments: Segment[] = [];
  const rejects: RecordError[] = [];
  const run = { reject: (_stage: string, error: RecordError) => void rejects.push(error) };
  await new Promise<void>((resolve, reject) =>
    withRun(run, () =>
      pull(() => [documents])
        .pipe(pretokenize(OPTIONS))
        // of segments only what is checked: there are many thousands
        .subscribe({
          next: (segment) =>
            void segments.push({ ...segment, bytes: new Uint8Array(0), meta: { length: segment.bytes.length } }),
          error: reject,
          complete: resolve,
        }),
    ),
  );
  return { segments, rejects };
}

/** Every record has segments, or is rejected once; what are its own bytes tiles it. */
function requireAccount(documents: readonly Document[], { segments, rejects }: Outcome): void {
  const views = Map.groupBy(segments, ({ document }) => document.id);
  const known = new Map(documents.map((document) => [document.id, document.bytes.length]));
  const seen = new Set([...views.keys()].map((id) => id.replace(/[!#].*$/s, '')));
  const refused = Map.groupBy(rejects, ({ path = '' }) => path);
  for (const id of known.keys()) {
    const own = refused.get(id)?.length ?? 0;
    const within = [...refused.keys()].some((path) => path.startsWith(`${id}!`));
    const account = { id, segments: seen.has(id), rejects: own, within };
    expect(account).toSatisfy(() => (seen.has(id) || within ? own <= 1 : own === 1));
  }
  for (const [id, view] of views) {
    expect(view.map(({ index }) => index)).toEqual(view.map((_, index) => index));
    expect(view.filter(({ last }) => last)).toEqual([view.at(-1)]);
    let at = 0;
    for (const { origin, meta, document } of view) {
      expect(meta['length']).toBeGreaterThan(0);
      if (origin.derived === undefined) {
        expect([id, origin.start, origin.end - origin.start]).toEqual([id, at, meta['length']]);
        at = origin.end;
      } else {
        expect(origin.start).toBeGreaterThanOrEqual(0);
        expect(origin.end).toBeGreaterThanOrEqual(origin.start);
        expect(origin.end).toBeLessThanOrEqual(document.byteLength);
      }
    }
    const whole = view[0]?.document.byteLength ?? 0;
    if (view.every(({ origin }) => origin.derived === undefined)) expect([id, at]).toEqual([id, whole]);
  }
  for (const { code, message } of rejects) {
    expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    expect(message).not.toBe('');
  }
}

const TIMEOUT = 30_000 + COUNT * 100;

async function survive(documents: readonly Document[]): Promise<void> {
  const cutting = cut(documents);
  const most = await mostResident(cutting);
  const outcome = await cutting;
  requireAccount(documents, outcome);
  // the watch looks every 10 ms, and a busy machine may keep it waiting
  expect(most).toBeLessThan(LIMITS.memoryBytes + 256 * MiB);
  const told = outcome.rejects.filter(({ code }) => /^DECODE/.test(code ?? '') && code !== 'DECODED_TOO_LARGE');
  const counts = Object.groupBy(outcome.rejects, ({ code = '' }) => code);
  if (process.env['SLUICE_HOSTILE'] !== undefined) {
    const lines = Object.entries(counts).map(([code, all]) => `${code} ${all?.length}`);
    process.stderr.write(
      `${documents.length} records, ${outcome.segments.length} segments, most resident ${most}: ${lines.join(', ')}\n`,
    );
    for (const { code, path, message } of told) process.stderr.write(`  ${code} ${path}: ${message}\n`);
  }
  // a decoder that crashes costs one record, but none that is known does
  expect(
    told.filter(({ code }) => code === 'DECODER_CRASHED').map(({ path, message }) => `${path}: ${message}`),
  ).toEqual([]);
}

describe('of hostile files every one is segments or a reject', () => {
  it(
    '(all as they are)',
    async () => {
      await survive(files.map(({ name, bytes }) => documentOf(bytes, name)));
    },
    TIMEOUT,
  );

  it(
    '(good ones, damaged)',
    async () => {
      const documents = Array.from({ length: COUNT }, (_, n) => {
        const roll = dice(SEED * 1_000_003 + n);
        const { name, bytes } = files[roll(files.length)]!;
        let damaged: Buffer = Buffer.from(bytes);
        for (let rounds = roll(2); rounds >= 0; rounds--) {
          if (damaged.length > 0) damaged = Buffer.from(mutations[roll(mutations.length)]!(damaged, roll));
        }
        return documentOf(damaged, `${n}-${name.replaceAll(/[/!#]/g, '-')}`);
      });
      await survive(documents);
    },
    TIMEOUT,
  );

  it(
    '(random bytes behind the beginnings of good ones)',
    async () => {
      const documents = Array.from({ length: COUNT }, (_, n) => {
        const roll = dice(SEED * 2_000_003 + n);
        const { name, bytes } = files[n % files.length]!;
        const head = bytes.subarray(0, [4, 8, 16, 64, 300][roll(5)]);
        const extension = roll(2) === 0 ? extname(name) : '';
        return documentOf(Buffer.concat([head, random(roll, roll(20_000))]), `${n}-random${extension}`);
      });
      await survive(documents);
    },
    TIMEOUT,
  );
});
