import type { ModelFile } from '../../modelFile.ts';
import { quantizeRows } from './int8Weights.ts';
import { type LayerLayout, type LayerTensor, layerLayout } from './layerForm.ts';
import type { SharedLayers } from './sharedLayers.ts';
import { TensorReader } from './tensorReader.ts';

/** Reads layers from the model's file and decodes them into shared memory. Blocks its thread. */
export class LayerLoader {
  readonly layout: LayerLayout;
  readonly #memory: WebAssembly.Memory;
  readonly #reader: TensorReader;

  /** @throws ModelError `MODEL_MISSING` where the file cannot be opened */
  constructor(model: ModelFile, { form, memory }: Pick<SharedLayers, 'form' | 'memory'>) {
    this.#memory = memory;
    this.#reader = new TensorReader(model.weights, memory);
    this.layout = layerLayout(model.config, form);
  }

  /** Decodes a layer to `address`; the staging room follows it. Throws ModelError `MODEL_FILE`. */
  fill(layer: number, address: number): void {
    const half = this.layout.stagingBytes / 2;
    const staging = { address: address + this.layout.bytes, bytes: half };
    for (const tensor of this.layout.tensors) {
      const name = `layers.${layer}.${tensor.name}`;
      if (tensor.scales === undefined) {
        this.#reader.decode(name, address + tensor.offset, staging);
        continue;
      }
      const [, inputs = 0] = tensor.shape;
      const target = this.#matrix(tensor, tensor.scales, address);
      const decoded = staging.address + half;
      for (const { first, rows } of this.#reader.decodeRows(name, decoded, staging)) {
        quantizeRows(new Float32Array(this.#memory.buffer, decoded, rows * inputs), target, first);
      }
    }
  }

  close(): void {
    this.#reader.close();
  }

  #matrix({ shape, offset }: LayerTensor, scales: number, address: number): Parameters<typeof quantizeRows>[1] {
    const [outputs = 0, inputs = 0] = shape;
    const { buffer } = this.#memory;
    return {
      values: new Int8Array(buffer, address + offset, inputs * outputs),
      scales: new Float32Array(buffer, address + scales, outputs),
    };
  }
}
