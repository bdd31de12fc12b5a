import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { littleEndianBytes, uint32From } from '../../formats/littleEndian.ts';
import { UnionFind } from '../unionFind.ts';
import { PAIR_BYTES } from './parts.ts';

export interface JoinTask {
  /** Documents of the corpus, those of earlier ones included. */
  readonly documents: number;
  /** Files of roots, as this module writes them, of the documents before `firstNew`, in order. */
  readonly earlier: readonly string[];
  readonly firstNew: number;
  /** Files of pairs that are alike. */
  readonly pairs: readonly string[];
  /** Where the roots of the new documents go, u32 each; must not exist. */
  readonly out: string;
}

export interface JoinResult {
  /** New documents that are the first of their cluster. */
  readonly kept: number;
}

const CHUNK = 1 << 20;

/**
 * Worker module: clusters of documents that are alike, each known by its first document. The result depends on the set of
 * pairs alone. Takes 4 bytes for each document.
 */
export default function joinPairs({ documents, earlier, firstNew, pairs, out }: JoinTask): JoinResult {
  const clusters = new UnionFind(documents);
  let document = 0;
  for (const file of earlier)
    for (const words of wordsOf(file)) for (const root of words) clusters.join(root, document++);
  for (const file of pairs) {
    for (const words of wordsOf(file)) {
      for (let i = 0; i < words.length; i += 2) clusters.join(words[i] ?? 0, words[i + 1] ?? 0);
    }
  }
  const target = openSync(out, 'wx');
  let kept = 0;
  try {
    for (let start = firstNew; start < documents; start += CHUNK) {
      const roots = Uint32Array.from({ length: Math.min(CHUNK, documents - start) }, (_, i) =>
        clusters.find(start + i),
      );
      for (const [i, root] of roots.entries()) if (root === start + i) kept++;
      const bytes = littleEndianBytes(roots);
      for (let done = 0; done < bytes.length; ) done += writeSync(target, bytes, done);
    }
  } finally {
    closeSync(target);
  }
  return { kept };
}

function* wordsOf(file: string): Generator<Uint32Array, void, undefined> {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = new Uint8Array(CHUNK * PAIR_BYTES);
    for (;;) {
      let filled = 0;
      for (let read = -1; read !== 0 && filled < buffer.length; filled += read) {
        read = readSync(descriptor, buffer, filled, buffer.length - filled, null);
      }
      if (filled === 0) return;
      yield uint32From(buffer.subarray(0, filled));
      if (filled < buffer.length) return;
    }
  } finally {
    closeSync(descriptor);
  }
}
