import { FirstByKey } from './firstByKey.ts';
import { mix } from './shingle.ts';
import type { SignedBatch } from './signer.ts';
import { UnionFind } from './unionFind.ts';

/**
 * The sets of alike documents among those of a batch, by their numbers in it. Two are joined where they share a band and
 * their signatures agree in at least `threshold` of their places; of many that share one, each is held against the first
 * of them and against the one before it, so that time is linear in the documents, whatever they are.
 *
 *     const groups = similarityGroups(new Signer({ banding }).sign(packDocuments(texts)), 0.5);
 *     groups.find(7); // the first document of its group
 */
export function similarityGroups(batch: SignedBatch, threshold: number): UnionFind {
  const { signed, keys, bands } = batch;
  const groups = new UnionFind(signed.length);
  const byKey = new FirstByKey(Math.max(1, signed.length));
  /** For the first document of each key: the latest one that has it. */
  const latest = new Uint32Array(signed.length);
  for (let band = 0; band < bands; band++) {
    byKey.clear();
    for (let document = 0; document < signed.length; document++) {
      if (signed[document] !== 1) continue;
      const key = 2 * (document * bands + band);
      const first = byKey.first(document, keys[key] ?? 0, keys[key + 1] ?? 0);
      if (first !== document) {
        const joined = joinAlike(batch, groups, { a: first, b: document, threshold });
        if (!joined) joinAlike(batch, groups, { a: latest[first] ?? first, b: document, threshold });
      }
      latest[first] = document;
    }
  }
  return groups;
}

/** Whether the two are in one group now. */
function joinAlike(
  batch: SignedBatch,
  groups: UnionFind,
  { a, b, threshold }: { readonly a: number; readonly b: number; readonly threshold: number },
): boolean {
  if (groups.find(a) === groups.find(b)) return true;
  if (similarityWithin(batch, a, b) < threshold) return false;
  groups.join(a, b);
  return true;
}

/** The estimated Jaccard similarity of two documents of a batch; 0 where one of them is shorter than a shingle. */
function similarityWithin({ signed, signatures, components }: SignedBatch, a: number, b: number): number {
  if (signed[a] !== 1 || signed[b] !== 1) return 0;
  const [atA, atB] = [a * components, b * components];
  let equal = 0;
  for (let i = 0; i < components; i++) if (signatures[atA + i] === signatures[atB + i]) equal++;
  return equal / components;
}

/** Pairs that a mean is taken over at most. */
const MOST_PAIRS = 512;

/**
 * The mean estimated Jaccard similarity of the pairs of some documents of a batch: of all pairs up to 512, else of 512 that
 * are drawn always alike; one with a document shorter than a shingle counts 0. Undefined for fewer than two documents.
 */
export function meanSimilarity(batch: SignedBatch, documents: readonly number[]): number | undefined {
  const count = documents.length;
  if (count < 2) return undefined;
  const at = (place: number): number => documents[place] ?? 0;
  let [sum, pairs] = [0, 0];
  if ((count * (count - 1)) / 2 <= MOST_PAIRS) {
    for (let a = 0; a < count; a++) {
      for (let b = a + 1; b < count; b++, pairs++) sum += similarityWithin(batch, at(a), at(b));
    }
  } else {
    for (; pairs < MOST_PAIRS; pairs++) {
      const a = mix(pairs, 0) % count;
      const b = mix(pairs, 1) % (count - 1);
      sum += similarityWithin(batch, at(a), at(b < a ? b : b + 1));
    }
  }
  return sum / pairs;
}
