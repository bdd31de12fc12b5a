import { scalesOf } from '../onnx/fedInt8Weights.ts';
import type { Feeds, Runtime } from '../session.ts';
import type { LayerLayout } from './layerForm.ts';

/** The weights of the layer that lies at `address`, as inputs of a layer graph: under the names of layer 0, not copied. */
export function layerFeeds(
  layout: LayerLayout,
  buffer: ArrayBufferLike,
  address: number,
  tensor: Runtime['Tensor'],
): Feeds {
  const feeds: Feeds = {};
  for (const { name, shape, offset, scales } of layout.tensors) {
    const input = `layers.0.${name}`;
    const size = shape.reduce((a, b) => a * b);
    if (scales === undefined) {
      feeds[input] = new tensor('float32', new Float32Array(buffer, address + offset, size), shape);
      continue;
    }
    const [outputs = 0, inputs = 0] = shape;
    feeds[input] = new tensor('int8', new Int8Array(buffer, address + offset, size), [inputs, outputs]);
    feeds[scalesOf(input)] = new tensor('float32', new Float32Array(buffer, address + scales, outputs), [outputs]);
  }
  return feeds;
}
