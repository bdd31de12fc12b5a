import { candidateProbability, chanceCandidates, errorRates } from '../../lsh/sCurve.ts';
import type { SampledPairs } from './sampleSimilarities.ts';
import type { DedupSettings } from './settings.ts';

const SIMILARITIES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const LONGEST = 64;
const MANY_ROWS = 8;
const MANY_RELATED = 0.05;

/**
 * Lines for a plan: what documents are compared by, how likely pairs are found, and how many unrelated ones are found by
 * chance. With a line of warning where that is one for each document or more.
 *
 * @param documents in the corpus; undefined where that is not known. Within a split no more count than the window holds
 * @param sampled pairs of documents. Default: as among English prose of 2 KB
 */
export function dedupNotes(settings: DedupSettings, documents: number | undefined, sampled?: SampledPairs): string[] {
  const { near, banding, shingle, threshold, verify, window } = settings;
  if (!near) return ['dedup: documents with equal bytes'];
  const { bands, rows } = banding;
  const { falsePositive, falseNegative } = errorRates(banding, threshold);
  const compared = Math.min(documents ?? window.documents, window.documents);
  const { unrelated = [] } = sampled ?? {};
  const chance = chanceCandidates(banding, compared, unrelated.length > 0 ? unrelated : undefined);
  const found = SIMILARITIES.map(
    (similarity) => `${similarity}: ${percent(candidateProbability(similarity, banding))}`,
  );
  const notes = [
    `${bands} bands of ${rows} rows over shingles of ${shingle.length} ${shingle.of}; verified by ${verify} at ${decimals(threshold)}`,
    `were all similarities equally frequent, of pairs below ${threshold} ${percent(falsePositive)} would become candidates, which verification drops, and above it ${percent(falseNegative)} would be missed`,
    `chance to be a candidate by similarity: ${found.join(', ')}`,
    `in ${compared.toLocaleString('en')} documents each meets ${amount(chance)} unrelated ones as candidates`,
  ];
  if (chance >= 1) notes.push(`warning: only verification tells those from duplicates; ${remedy(settings)}`);
  notes.push(...tooAlike(settings, sampled));
  return notes.map((note) => `dedup: ${note}`);
}

/** Pairs at random are hardly ever alike, unless shingles are so short that any document has them all. */
function tooAlike({ shingle, threshold }: DedupSettings, sampled: SampledPairs | undefined): string[] {
  if (sampled === undefined) return [];
  const { compared, unrelated, alike } = sampled;
  const related = compared - unrelated.length;
  if (related <= MANY_RELATED * compared) return [];
  return [
    `warning: ${related} of ${compared} pairs of a sample share much, ${alike} of them from ${threshold} on: they are copies, or ` +
      `shingles of ${shingle.length} ${shingle.of} are too short to tell such documents apart (DNA, hexadecimal digits, tables of ` +
      `numbers), and then unlike documents would be dropped; look at some, and compare longer shingles`,
  ];
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
