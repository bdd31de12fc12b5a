import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { littleEndianBytes, uint32From } from '../../formats/littleEndian.ts';
import { KeyTable } from '../keyTable.ts';
import { lowerBound } from './keyBlock.ts';
import { PairList, RUN_PAIRS } from './pairs.ts';
import { type CorpusPart, ENTRY_BYTES } from './parts.ts';

export interface LinkTask {
  readonly parts: readonly CorpusPart[];
  /** Keys whose upper 16 bits lie in [from, to). */
  readonly from: number;
  readonly to: number;
  /** Documents before this one have been linked by an earlier corpus. */
  readonly firstNew: number;
  /** Where pairs go; must not exist. */
  readonly out: string;
}

export interface LinkResult {
  /** Pairs in each run of sorted ones. */
  readonly runs: readonly number[];
  readonly keys: number;
}

const READ_ENTRIES = 1 << 16;
/** Different keys for which there is room at first. */
const ROOM = 1 << 16;

/**
 * Worker module: finds the documents that share a key, among the keys of one range. Of those with the same key each new
 * document is paired with the first one, which joins what is alike, and with the one right before it, which joins what is
 * alike where the first one is not: two pairs a key at most, however many documents have it.
 */
export default function linkKeys({ parts, from, to, firstNew, out }: LinkTask): LinkResult {
  const table = new KeyTable(ROOM);
  let members = new Uint32Array(2 * table.room);
  const pairs = new PairList();
  const runs: number[] = [];
  let keys = 0;
  const file = openSync(out, 'wx');
  const flush = (): void => {
    const run = pairs.take();
    runs.push(run.length / 2);
    writeAll(file, littleEndianBytes(run));
  };
  try {
    for (const part of parts) {
      for (const entries of entriesOf(part, from, to)) {
        for (let i = 0; i < entries.length; i += 3) {
          const document = part.first + (entries[i + 2] ?? 0);
          const before = table.size;
          const key = table.numberOf(entries[i + 1] ?? 0, entries[i] ?? 0);
          if (2 * table.room > members.length) {
            const more = new Uint32Array(2 * table.room);
            more.set(members);
            members = more;
          }
          if (key === before) {
            members[2 * key] = document;
          } else if (document >= firstNew) {
            const first = members[2 * key] ?? 0;
            const latest = members[2 * key + 1] ?? 0;
            pairs.add(first, document);
            if (latest !== first) pairs.add(latest, document);
            if (pairs.size >= RUN_PAIRS) flush();
          }
          members[2 * key + 1] = document;
        }
        keys += entries.length / 3;
      }
    }
    if (pairs.size > 0) flush();
  } finally {
    closeSync(file);
  }
  return { runs, keys };
}

/** The entries of a part in a range, block by block, each in the order of its documents where keys are equal. */
function* entriesOf(part: CorpusPart, from: number, to: number): Generator<Uint32Array, void, undefined> {
  if (part.blocks.length === 0) return;
  const file = openSync(`${part.file}.keys`, 'r');
  try {
    let start = 0;
    for (const entries of part.blocks) {
      const base = start;
      const highAt = (entry: number): number => uint32From(bytesAt(file, ENTRY_BYTES * (base + entry), 4))[0] ?? 0;
      const first = lowerBound(entries, from, highAt);
      const end = lowerBound(entries, to, highAt);
      for (let at = first; at < end; at += READ_ENTRIES) {
        const count = Math.min(READ_ENTRIES, end - at);
        yield uint32From(bytesAt(file, ENTRY_BYTES * (base + at), ENTRY_BYTES * count));
      }
      start += entries;
    }
  } finally {
    closeSync(file);
  }
}

function bytesAt(file: number, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let filled = 0;
  for (let read = -1; read !== 0 && filled < length; filled += read) {
    read = readSync(file, bytes, filled, length - filled, start + filled);
  }
  if (filled < length) throw new RangeError(`a file of keys ends before byte ${start + length}`);
  return bytes;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
