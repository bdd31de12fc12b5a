import { lowerBound } from './osmotic.ts';

/** Terms less than this share of the greatest do not show in a float32. */
const NEGLIGIBLE = 40;

/** Energy of each shell: sqrt(i) + i^1.5. */
export function shellEnergies(shells: number): Float64Array {
  return Float64Array.from({ length: shells }, (_, i) => Math.sqrt(i) + i ** 1.5);
}

/** The shell whose energy is nearest to the prominence; the inner one of two. */
export function nearestShell(energies: Float64Array, prominence: number): number {
  const above = lowerBound(energies, prominence);
  if (above === 0) return 0;
  const [inner, outer] = [energies[above - 1] ?? 0, energies[above] ?? Number.POSITIVE_INFINITY];
  return outer - prominence < prominence - inner ? above : above - 1;
}

/**
 * Mean of the shells' radii under the Boltzmann distribution exp(-|energy - prominence| / temperature): the softmax over
 * shells, less its greatest term, so that it is finite for every prominence. It rises with the prominence.
 */
export function energyRadius(
  energies: Float64Array,
  radii: Float64Array,
  prominence: number,
  temperature: number,
): number {
  const nearest = nearestShell(energies, prominence);
  const least = energies[nearest] ?? 0;
  /** How much further than the nearest a shell is; on the same side of the prominence it takes no part in that. */
  const further = (energy: number): number =>
    energy < prominence === least < prominence
      ? Math.abs(energy - least)
      : Math.abs(energy + least - prominence - prominence);
  let sum = 0;
  let mean = 0;
  const add = (shell: number): boolean => {
    const exponent = further(energies[shell] ?? 0) / temperature;
    if (exponent > NEGLIGIBLE) return false;
    const term = Math.exp(-exponent);
    sum += term;
    mean += (((radii[shell] ?? 0) - mean) * term) / sum;
    return true;
  };
  add(nearest);
  for (let shell = nearest - 1; shell >= 0 && add(shell); shell--);
  for (let shell = nearest + 1; shell < energies.length && add(shell); shell++);
  return mean;
}
