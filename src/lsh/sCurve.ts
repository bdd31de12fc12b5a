import { PipelineError } from '../errors.ts';
import type { Banding } from './bands.ts';
import { requireComponents } from './signature.ts';

/** The chance that two documents of Jaccard similarity `similarity` become candidates: 1 - (1 - s^rows)^bands. */
export function candidateProbability(similarity: number, { bands, rows }: Banding): number {
  // written so that chances far below the precision of 1 - x stay exact
  return -Math.expm1(bands * Math.log1p(-(similarity ** rows)));
}

/** What a banding does wrong around a threshold, for pairs of all similarities alike. */
export interface ErrorRates {
  /** The chance that a pair below the threshold becomes a candidate: the mean of the S-curve over [0, threshold]. */
  readonly falsePositive: number;
  /** The chance that a pair above the threshold does not: the mean of what is missing to 1 over [threshold, 1]. */
  readonly falseNegative: number;
}

/** The error rates of a banding at a threshold between 0 and 1. Throws PipelineError `BAD_THRESHOLD`. */
export function errorRates(banding: Banding, threshold: number): ErrorRates {
  requireThreshold(threshold);
  const below = integral((s) => candidateProbability(s, banding), 0, threshold);
  const above = integral((s) => 1 - candidateProbability(s, banding), threshold, 1);
  return { falsePositive: below / threshold, falseNegative: above / (1 - threshold) };
}

/**
 * The bands and rows within `components` whose S-curve is wrong least about a threshold: the area under it below the
 * threshold plus the area over it above. Candidates that should not be are dropped by verification, pairs that were missed
 * are lost: `missed` above 1 weighs them more. Default: both alike.
 *
 * @throws PipelineError `BAD_THRESHOLD` or `BAD_COMPONENTS`
 */
export function bandingFor(threshold: number, components: number, missed = 1): Banding {
  requireThreshold(threshold);
  requireComponents(components);
  // 1 - chance below the threshold, chance above it: one sum, whose constant part decides nothing
  const below = nodes(0, threshold).map(({ at, weight }) => ({ at, weight: -weight }));
  const above = nodes(threshold, 1).map(({ at, weight }) => ({ at, weight: missed * weight }));
  const places = [...below, ...above];
  const weights = Float64Array.from(places, ({ weight }) => weight);
  let best: Banding = { bands: 1, rows: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (let rows = 1; rows <= components; rows++) {
    const apart = Float64Array.from(places, ({ at }) => 1 - at ** rows);
    const missedByAll = new Float64Array(places.length).fill(1);
    for (let bands = 1; bands * rows <= components; bands++) {
      let error = 0;
      for (let i = 0; i < places.length; i++) {
        const chance = (missedByAll[i] ?? 0) * (apart[i] ?? 0);
        missedByAll[i] = chance;
        error += (weights[i] ?? 0) * chance;
      }
      if (error >= least) continue;
      least = error;
      best = { bands, rows };
    }
  }
  return best;
}

/**
 * How many documents each of `documents` unrelated ones meets by chance, in at least one band: candidates that only
 * verification drops. From 1 on, groups joined without verification grow into a single one.
 *
 * @param similarities a sample of the Jaccard similarities of unrelated pairs. Default: a distribution that gives the
 *   rates measured on English prose of 2 KB on average, by shingles of five bytes, within a factor of 1.4; longer
 *   documents have more in common, longer shingles make it less
 */
export function chanceCandidates(banding: Banding, documents: number, similarities?: readonly number[]): number {
  const chance = (similarity: number): number => candidateProbability(similarity, banding);
  const rate =
    similarities === undefined
      ? meanOfUnrelatedEnglish(chance)
      : similarities.reduce((sum, similarity) => sum + chance(similarity), 0) / similarities.length;
  return rate * Math.max(0, documents - 1);
}

/** Log-normal, cut off at 0.3: what is more alike is not unrelated. */
function meanOfUnrelatedEnglish(chance: (similarity: number) => number): number {
  const [middle, sigma, most] = [-4.2, 0.69, Math.log(0.3)];
  const density = (log: number): number => Math.exp(-0.5 * ((log - middle) / sigma) ** 2);
  const least = middle - 8 * sigma;
  const weighed = integral((log) => density(log) * chance(Math.exp(log)), least, most);
  return weighed / integral(density, least, most);
}

function requireThreshold(threshold: number): void {
  if (threshold > 0 && threshold < 1) return;
  throw new PipelineError(`no bands can be found for a threshold of ${threshold}`, {
    code: 'BAD_THRESHOLD',
    hint: 'a similarity between 0 and 1, both excluded',
  });
}

interface Node {
  readonly at: number;
  readonly weight: number;
}

/** Simpson's rule: 1e-6 or better for the S-curves at hand. */
function nodes(start: number, end: number, parts = 128): readonly Node[] {
  const step = (end - start) / parts;
  return Array.from({ length: parts + 1 }, (_, i) => {
    const factor = i === 0 || i === parts ? 1 : i % 2 === 1 ? 4 : 2;
    return { at: start + i * step, weight: (factor * step) / 3 };
  });
}

function integral(of: (at: number) => number, start: number, end: number): number {
  return nodes(start, end, 1024).reduce((sum, { at, weight }) => sum + of(at) * weight, 0);
}
