import { candidateProbability, chanceCandidates, errorRates } from '../../lsh/sCurve.ts';
import type { DedupSettings } from './settings.ts';

const SIMILARITIES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const LONGEST = 64;
const MANY_ROWS = 8;

/**
 * Lines for a plan: what documents are compared by, how likely pairs are found, and how many unrelated ones are found by
 * chance. With a line of warning where that is one for each document or more.
 *
 * @param documents in the corpus; undefined where that is not known. Within a split no more count than the window holds
 * @param similarities a sample of unrelated pairs' Jaccard similarities. Default: as among English prose of 2 KB
 */
export function dedupNotes(
  settings: DedupSettings,
  documents: number | undefined,
  similarities?: readonly number[],
): string[] {
  const { near, banding, shingle, threshold, verify, window } = settings;
  if (!near) return ['dedup: documents with equal bytes'];
  const { bands, rows } = banding;
  const { falsePositive, falseNegative } = errorRates(banding, threshold);
  const compared = Math.min(documents ?? window.documents, window.documents);
  const chance = chanceCandidates(banding, compared, similarities);
  const found = SIMILARITIES.map(
    (similarity) => `${similarity}: ${percent(candidateProbability(similarity, banding))}`,
  );
  const notes = [
    `${bands} bands of ${rows} rows over shingles of ${shingle.length} ${shingle.of}; verified by ${verify} at ${decimals(threshold)}`,
    `expected of pairs below ${threshold}: ${percent(falsePositive)} become candidates, which verification drops; above: ${percent(falseNegative)} are missed`,
    `chance to be a candidate by similarity: ${found.join(', ')}`,
    `in ${compared.toLocaleString('en')} documents each meets ${amount(chance)} unrelated ones as candidates`,
  ];
  if (chance >= 1) notes.push(`warning: only verification tells those from duplicates; ${remedy(settings)}`);
  return notes.map((note) => `dedup: ${note}`);
}

function remedy({ shingle, banding }: DedupSettings): string {
  const { of, length } = shingle;
  const longer = `longer shingles, such as { of: '${of}', length: ${Math.min(LONGEST, 2 * length)} }`;
  const rows = banding.rows < MANY_ROWS ? `, or more rows, such as { bands: 14, rows: ${MANY_ROWS} }` : '';
  return `fewer come with ${longer}${rows}`;
}

function decimals(number: number): string {
  const two = number.toFixed(2);
  return Number(two) === number ? two : String(number);
}

export function percent(share: number): string {
  return `${amount(100 * share)} %`;
}

/** Three digits; four where they tell from a hundred. */
function amount(number: number): string {
  if (number !== 0 && number < 0.01) return number.toExponential(0);
  return String(Number(number.toPrecision(number > 99 && number < 100 ? 4 : 3)));
}
