import { closeSync, openSync } from 'node:fs';
import { littleEndianBytes } from '../../formats/littleEndian.ts';
import { damaged } from '../../formats/pageCache.ts';
import { crossing } from '../../run/crossing.ts';
import { UnionFind } from '../unionFind.ts';
import { wordsOf } from './wordsOf.ts';
import { writeWhole } from './writeWhole.ts';

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

/** Numbers that are read or written at once. */
const CHUNK = 1 << 20;

/**
 * Worker module: clusters of documents that are alike, each known by its first document. The result depends on the set of
 * pairs alone. Earlier corpora stay as they are: new documents are kept just as they would be in one corpus of all so far,
 * but two earlier clusters that a new document joins are two again for corpora behind this one.
 *
 * Takes 4 bytes for each document. Errors: see {@link crossing}.
 *
 * @throws PipelineError `DAMAGED` where a file holds what is no root or no pair of these documents
 */
export default function joinPairs(task: JoinTask): JoinResult {
  return crossing(() => {
    const clusters = new UnionFind(task.documents);
    joinEarlier(clusters, task);
    for (const file of task.pairs) joinAlike(clusters, file);
    const target = openSync(task.out, 'wx');
    try {
      return { kept: writeRoots(clusters, task.firstNew, target) };
    } finally {
      closeSync(target);
    }
  });
}

function joinEarlier(clusters: UnionFind, { earlier, firstNew }: JoinTask): void {
  let document = 0;
  for (const file of earlier) {
    for (const roots of wordsOf(file, 1)) {
      for (const root of roots) {
        if (root > document || document >= firstNew) throw damaged(file, `${root} is no root of document ${document}`);
        clusters.join(root, document++);
      }
    }
  }
  if (document < firstNew)
    throw damaged(earlier.at(-1) ?? '', `there are roots of ${document} earlier documents in place of ${firstNew}`);
}

function joinAlike(clusters: UnionFind, file: string): void {
  for (const words of wordsOf(file, 2)) {
    for (let i = 0; i < words.length; i += 2) {
      const [earlier = 0, later = 0] = [words[i], words[i + 1]];
      if (earlier > later || later >= clusters.count) throw damaged(file, `${earlier} and ${later} are no pair`);
      clusters.join(earlier, later);
    }
  }
}

/** Gives the number of documents that are roots themselves. */
function writeRoots(clusters: UnionFind, firstNew: number, target: number): number {
  let kept = 0;
  for (let start = firstNew; start < clusters.count; start += CHUNK) {
    const roots = new Uint32Array(Math.min(CHUNK, clusters.count - start));
    for (let i = 0; i < roots.length; i++) {
      const root = clusters.find(start + i);
      roots[i] = root;
      if (root === start + i) kept++;
    }
    writeWhole(target, littleEndianBytes(roots));
  }
  return kept;
}
