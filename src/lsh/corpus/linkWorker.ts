import { closeSync, openSync } from 'node:fs';
import { littleEndianBytes, uint32From } from '../../formats/littleEndian.ts';
import { PageCache } from '../../formats/pageCache.ts';
import { crossing } from '../../run/crossing.ts';
import { KeyTable } from '../keyTable.ts';
import { rangeStart } from './keyBlock.ts';
import { PairList, RUN_PAIRS } from './pairs.ts';
import { type CorpusPart, ENTRY_BYTES } from './parts.ts';
import { writeWhole } from './writeWhole.ts';

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
 *
 * Errors: see {@link crossing}.
 */
export default function linkKeys(task: LinkTask): LinkResult {
  return crossing(() => {
    const files = new PageCache({ files: 1 });
    const target = openSync(task.out, 'wx');
    try {
      return link(task, files, target);
    } finally {
      closeSync(target);
      files.close();
    }
  });
}

function link({ parts, from, to, firstNew }: LinkTask, files: PageCache, target: number): LinkResult {
  const table = new KeyTable(ROOM);
  /** The first document of each key and the latest one. */
  let members = new Uint32Array(2 * table.room);
  const pairs = new PairList();
  const runs: number[] = [];
  let keys = 0;
  const flush = (): void => {
    const run = pairs.take();
    runs.push(run.length / 2);
    writeWhole(target, littleEndianBytes(run));
  };
  for (const part of parts) {
    for (const entries of entriesOf(part, files, from, to)) {
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
          // a document may have a key twice
          if (first !== document) pairs.add(first, document);
          if (latest !== first && latest !== document) pairs.add(latest, document);
          // an entry adds two at most: the list never takes memory for more than one run
          if (pairs.size >= RUN_PAIRS - 1) flush();
        }
        members[2 * key + 1] = document;
      }
      keys += entries.length / 3;
    }
  }
  if (pairs.size > 0) flush();
  return { runs, keys };
}

/** The entries of a part in a range, block by block, each in the order of its documents where keys are equal. */
function* entriesOf(
  part: CorpusPart,
  files: PageCache,
  from: number,
  to: number,
): Generator<Uint32Array, void, undefined> {
  const file = `${part.file}.keys`;
  let start = 0;
  for (const entries of part.blocks) {
    const base = start;
    const read = (first: number, end: number): Uint32Array =>
      uint32From(files.range(file, ENTRY_BYTES * (base + first), ENTRY_BYTES * (base + end)));
    const end = rangeStart(entries, to, read);
    for (let at = rangeStart(entries, from, read); at < end; at += READ_ENTRIES) {
      yield read(at, Math.min(at + READ_ENTRIES, end));
    }
    start += entries;
  }
}
