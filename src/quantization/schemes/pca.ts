import { requireOptions } from '../../knownOptions.ts';
import { once } from '../once.ts';
import { badOption, componentsOf, countOrAuto } from '../options.ts';
import { type TrainedTensor, transformScheme } from '../scheme.ts';
import { principalAxes } from '../training/principal.ts';
import { LinearMap } from '../vectors/linearMap.ts';
import { transposed } from '../vectors/memory.ts';

export interface PcaOptions {
  /** Numbers that a row becomes, at most its columns. Default: `auto`, half of them, rounded up. */
  readonly components?: number | 'auto' | undefined;
  /** Whether every component is divided by its standard deviation; those without variance become 0. Default: false. */
  readonly whiten?: boolean | undefined;
}

/**
 * Principal component analysis: `(row - mean) * components^T`, and back. It learns from the covariance of everything that
 * the sample was drawn from, where that is known: docs/quantization/learned.md.
 */
export const pca = transformScheme<{ readonly components: number | 'auto'; readonly whiten: boolean }>({
  name: 'pca',
  shorthand: 'components',
  usesMoments: true,
  resolve(given: PcaOptions) {
    requireOptions('pca', given, { components: true, whiten: true });
    const { components, whiten = false } = given;
    if (typeof whiten !== 'boolean') throw badOption('pca', 'whiten', whiten, 'true or false');
    return { components: countOrAuto('pca', 'components', components), whiten };
  },
  tensors({ components }, columns) {
    const kept = componentsOf('pca', components, columns);
    return [
      { name: 'mean', shape: [columns] },
      { name: 'components', shape: [kept, columns] },
      { name: 'variances', shape: [kept] },
    ];
  },
  train({ components }, sample): TrainedTensor[] {
    const { columns } = sample;
    const kept = componentsOf('pca', components, columns);
    const { mean, axes, variances } = principalAxes(sample);
    return [
      { name: 'mean', shape: [columns], values: mean },
      { name: 'components', shape: [kept, columns], values: axes.slice(0, kept * columns) },
      { name: 'variances', shape: [kept], values: Float32Array.from(variances.subarray(0, kept)) },
    ];
  },
  open({ components, whiten }, columns, [mean, axes, variances]) {
    const kept = componentsOf('pca', components, columns);
    const centre = mean?.values ?? new Float32Array(columns);
    const matrix = axes?.values ?? new Float32Array(kept * columns);
    const deviations = Float64Array.from(variances?.values ?? [], Math.sqrt);
    const scaled = (factor: (deviation: number) => number): Float32Array<ArrayBuffer> =>
      whiten
        ? Float32Array.from(matrix, (value, at) => value * factor(deviations[Math.floor(at / columns)] ?? 0))
        : matrix.slice();
    const forward = once(
      () => new LinearMap({ matrix: scaled((deviation) => (deviation === 0 ? 0 : 1 / deviation)), centre }, columns),
    );
    const backward = once(
      () =>
        new LinearMap(
          {
            matrix: transposed(
              scaled((deviation) => deviation),
              columns,
            ),
            shift: centre,
          },
          kept,
        ),
    );
    return {
      outputs: kept,
      forward: (rows) => forward().apply(rows),
      backward: (rows) => backward().apply(rows),
    };
  },
});
