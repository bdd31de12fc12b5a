/** Writes a quantized folder, and is killed when it comes to a weight of the second layer. */
import { readModelFile } from '../../../src/model/modelFile.ts';
import { writeQuantizedModel } from '../../../src/model/quantized/writeQuantizedModel.ts';
import { roundedMatrices } from './quantizedFolder.ts';

const [source = '', target = ''] = process.argv.slice(2);
const model = await readModelFile(source);
const matrices = roundedMatrices(model, 'int4');
matrices.set('layers.1.attention.wo.weight', () => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
});
await writeQuantizedModel(target, { model, quantization: { type: 'int4', method: 'nearest' }, matrices });
