import { SluiceError } from '../errors.ts';
import { energyRadius, nearestShell, shellEnergies } from './energyShells.ts';
import { type AllocateOptions, type AllocateSettings, allocateSettings } from './options.ts';
import { osmoticBounds, upperBound } from './osmotic.ts';
import { shareOf, waterLevel } from './waterLevel.ts';

/** Where patches lie on spheres about one centre. */
export interface Allocation {
  /** f32[P], from rMin to rMax. */
  readonly radii: Float32Array;
  /** u16[P], number of the shell, 0 for the innermost. */
  readonly shells: Uint16Array;
}

/**
 * Gives every patch a radius by its prominence: heavy ones far out, or far in. It depends on the values alone: patches
 * that are alike get the same, whatever their order, and a heavier one never lies further in (`direction: 'outward'`).
 * Every finite input gives finite radii. `entropy` water-fills: the shares (radius - rMin) / (rMax - rMin) add up to
 * `level` times the number of patches.
 *
 *     const { radii } = allocate(prominence, entropy, { method: 'entropy', temperature: 1 });
 *
 * @param prominence f32[P], not negative
 * @param entropy f32[P], nats; needed by the method `entropy` alone
 * @throws PipelineError `BAD_OPTION`; SluiceError `BAD_VALUE` with the row for a number that is not finite, or a negative
 *   prominence; `NO_SIGNALS` without the entropies that the method needs
 */
export function allocate(
  prominence: Float32Array,
  entropy: Float32Array | undefined,
  options: AllocateOptions = {},
): Allocation {
  const settings = allocateSettings(options);
  requireWeights(prominence, entropy, settings);
  const { rMin, rMax, shells: count } = settings;
  const inward = settings.direction === 'inward';
  const radii = new Float32Array(prominence.length);
  const shells = new Uint16Array(prominence.length);
  const place: Place = (i, radius, shell) => {
    radii[i] = inward ? rMin + (rMax - radius) : radius;
    shells[i] = inward ? count - 1 - shell : shell;
  };
  if (settings.method === 'osmotic') osmotic(prominence, settings, place);
  else if (settings.method === 'energy') energy(prominence, settings, place);
  else byEntropy(prominence, entropy ?? prominence, settings, place);
  return { radii, shells };
}

/** Puts a patch onto a shell that is counted outward. */
type Place = (patch: number, radius: number, shell: number) => void;

function requireWeights(
  prominence: Float32Array,
  entropy: Float32Array | undefined,
  { method }: AllocateSettings,
): void {
  const negative = prominence.findIndex((value) => !(Number.isFinite(value) && value >= 0));
  if (negative >= 0) throw badValue('prominence', negative, prominence[negative]);
  if (method !== 'entropy') return;
  if (entropy?.length !== prominence.length) {
    throw new SluiceError(`there are ${entropy?.length ?? 'no'} entropies for ${prominence.length} patches`, {
      code: 'NO_SIGNALS',
      hint: 'the method entropy weighs patches by their entropy; osmotic and energy do not',
    });
  }
  const bad = entropy.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw badValue('entropy', bad, entropy[bad]);
}

function badValue(name: string, row: number, value: number | undefined): SluiceError {
  return new SluiceError(`patch ${row} has ${name} ${value}`, { code: 'BAD_VALUE', position: { ordinal: row, row } });
}

/** Radii of shells, from rMin to rMax, in steps that grow by this power. */
function shellRadii({ shells, rMin, rMax }: AllocateSettings, power: number): Float64Array {
  return Float64Array.from({ length: shells }, (_, i) =>
    shells === 1 ? rMin : rMin + (rMax - rMin) * (i / (shells - 1)) ** power,
  );
}

/** Shells lie the denser the further in: the steps of the older script. */
const OSMOTIC_POWER = 1.2;

function osmotic(prominence: Float32Array, settings: AllocateSettings, place: Place): void {
  const radii = shellRadii(settings, OSMOTIC_POWER);
  const bounds = osmoticBounds(prominence.slice().sort(), radii);
  for (let i = 0; i < prominence.length; i++) {
    const shell = upperBound(bounds, prominence[i] ?? 0);
    place(i, radii[shell] ?? settings.rMin, shell);
  }
}

function energy(prominence: Float32Array, settings: AllocateSettings, place: Place): void {
  const energies = shellEnergies(settings.shells);
  const radii = shellRadii(settings, 1);
  for (let i = 0; i < prominence.length; i++) {
    const value = prominence[i] ?? 0;
    place(i, energyRadius(energies, radii, value, settings.temperature), nearestShell(energies, value));
  }
}

function byEntropy(
  prominence: Float32Array,
  entropy: Float32Array,
  { temperature, level, rMin, rMax, shells }: AllocateSettings,
  place: Place,
): void {
  const logOf = (i: number): number => 2 * Math.log(prominence[i] ?? 0) - (entropy[i] ?? 0) / temperature;
  const logs = new Float64Array(prominence.length);
  for (let i = 0; i < logs.length; i++) logs[i] = logOf(i);
  const water = waterLevel(logs.sort(), level * logs.length);
  for (let i = 0; i < logs.length; i++) {
    const share = shareOf(logOf(i), water);
    place(i, rMin + share * (rMax - rMin), Math.min(shells - 1, Math.floor(share * shells)));
  }
}
