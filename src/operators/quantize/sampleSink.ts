import { schemeOf } from '../../quantization/schemes.ts';
import type { Patches } from '../../records.ts';
import { commitName } from '../../run/jobStage.ts';
import { requireValues } from '../../run/valueKinds.ts';
import type { Sink } from '../../sinks/sink.ts';
import { SAMPLE_FORMAT, SplitSamples } from './samples.ts';
import type { QuantizeSettings } from './settings.ts';

/** Ends the pass that draws what schemes learn from: of each split a file of rows. */
export function sampleSink({ fields, sample }: QuantizeSettings, pass: string): Sink<Patches> {
  const drawings = fields
    .filter(({ trains }) => trains)
    .map(({ field, chain }) => ({ field, first: chain[0], moments: schemeOf(chain[0].scheme).usesMoments === true }));
  return {
    kind: 'quantize.sample',
    options: null,
    // the rows, the same grown, and as they are written
    holds: 4 * sample.bytes,
    async open({ split, file }) {
      const samples = new SplitSamples(drawings, sample, sample.seed, split.id);
      let patches = 0;
      return {
        write(value) {
          requireValues('quantize', ['patches'], value);
          samples.add(value);
          patches += value.lengths.length;
        },
        async finish() {
          const out = await file(`${commitName(pass, split.id)}.safetensors`);
          for (const chunk of samples.chunks()) await out.write(chunk);
          await out.publish({ format: SAMPLE_FORMAT, temporary: true });
          return { patches };
        },
      };
    },
  };
}
