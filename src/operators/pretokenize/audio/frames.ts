import type { CutContext } from '../modality.ts';
import type { SegmentTable } from '../view.ts';
import type { AudioSettings } from './options.ts';
import type { Rendered } from './render.ts';
import type { Sound } from './sound.ts';

type Cutting = Pick<AudioSettings, 'frameSamples' | 'unit' | 'segmentSeconds'>;

/** Cuts samples into frames, or stretches of whole frames; the last one is what is left. */
export function framesTable(
  { bytes, sampleRate, channels, samples, clipped }: Rendered,
  sound: Sound,
  { frameSamples, unit, segmentSeconds }: Cutting,
  { maxSegmentBytes }: Pick<CutContext, 'maxSegmentBytes'>,
): SegmentTable {
  const sampleBytes = 2 * channels;
  const frameBytes = frameSamples * sampleBytes;
  const fitting = Math.min((segmentSeconds * sampleRate) / frameSamples, maxSegmentBytes / frameBytes);
  const frames = unit === 'frame' ? 1 : Math.max(1, Math.floor(fitting));
  const count = Math.ceil(bytes.length / (frames * frameBytes));
  const column = () => new Float64Array(count);
  const ends = column();
  const columns = {
    frame_index: column(),
    start_sample: column(),
    samples: column(),
    start_seconds: column(),
    duration_seconds: column(),
  };
  // samples have bytes of their own where none was made between others
  const layout = sound.sampleRate === sampleRate ? sound.layout : undefined;
  const origins = layout === undefined ? undefined : new Float64Array(2 * count);
  for (let n = 0; n < count; n++) {
    const start = n * frames * frameSamples;
    const end = Math.min(start + frames * frameSamples, bytes.length / sampleBytes);
    ends[n] = end * sampleBytes;
    columns.frame_index[n] = n * frames;
    columns.start_sample[n] = start;
    columns.samples[n] = end - start;
    columns.start_seconds[n] = start / sampleRate;
    columns.duration_seconds[n] = (end - start) / sampleRate;
    if (layout === undefined || origins === undefined) continue;
    origins[2 * n] = layout.start + start * layout.frameBytes;
    origins[2 * n + 1] = layout.start + Math.min(end, samples) * layout.frameBytes;
  }
  return {
    ends,
    origins,
    labels: [unit === 'frame' ? 'audio_frame' : 'audio_segment'],
    meta: {
      sample_rate: sampleRate,
      channels,
      frame_samples: frameSamples,
      source_sample_rate: sound.sampleRate,
      source_channels: sound.channels,
      decoder: sound.decoder,
      clipped_samples: clipped,
      ...(sound.truncated === undefined ? {} : { truncated: sound.truncated }),
    },
    columns,
  };
}
