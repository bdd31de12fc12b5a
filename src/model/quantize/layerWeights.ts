import { ModelError } from '../../errors.ts';
import { FloatRows } from '../floatRows.ts';
import type { ModelFile } from '../modelFile.ts';
import { layerShapes } from '../weights.ts';
import type { FloatMatrix } from './floatMatrix.ts';

/** Reads tensors of a model as float32, one at a time. */
export class LayerWeights {
  readonly #model: ModelFile;
  readonly #rows: FloatRows;

  /** Throws ModelError `MODEL_MISSING` or `MODEL_CHANGED`. */
  constructor(model: ModelFile) {
    this.#model = model;
    this.#rows = new FloatRows(model.weights);
  }

  /** @throws ModelError `MODEL_WEIGHT_VALUE` for a weight that is not finite, with its place; `MODEL_FILE` */
  tensor(name: string): Float32Array {
    const { path, tensors } = this.#model.weights;
    const size = tensors.get(name)?.shape.reduce((a, b) => a * b, 1) ?? 0;
    const values = new Float32Array(size);
    let at = 0;
    for (const rows of this.#rows.of(name)) {
      values.set(rows, at);
      at += rows.length;
    }
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad === -1) return values;
    throw new ModelError(`Value ${bad} of tensor ${name} in ${path} is ${values[bad]}, which no scale can hold.`, {
      code: 'MODEL_WEIGHT_VALUE',
      path,
      hint: 'The weights are damaged.',
    });
  }

  /** A linear weight. */
  matrix(name: string): FloatMatrix {
    const [outputs = 0, inputs = 0] = this.#model.weights.tensors.get(name)?.shape ?? [];
    return { outputs, inputs, values: this.tensor(name) };
  }

  /** All tensors of a layer, by their names without the prefix `layers.N.`. */
  layer(index: number): Map<string, Float32Array> {
    return new Map(
      [...layerShapes(this.#model.config).keys()].map((name) => [name, this.tensor(`layers.${index}.${name}`)]),
    );
  }

  close(): void {
    this.#rows.close();
  }
}
