import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLACDecoder } from '@wasm-audio-decoders/flac';
import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { MPEGDecoder } from 'mpg123-decoder';
import { OpusDecoder } from 'opus-decoder';
import { settledLimits } from '../src/decoders/limits.ts';
import { cutAudio } from '../src/operators/pretokenize/audio/cut.ts';
import { oggSound, packetsOf } from '../src/operators/pretokenize/audio/ogg.ts';
import { type AudioOptions, settledAudio } from '../src/operators/pretokenize/audio/options.ts';
import { pcmSound } from '../src/operators/pretokenize/audio/pcm.ts';
import { wavLayout } from '../src/operators/pretokenize/audio/wav.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import type { Bench, Measure } from './harness.ts';

const SECONDS = 60;
const measure: Measure = { unit: 's of sound/cpu-s', of: (seconds) => SECONDS / seconds };

const limits = settledLimits();

async function cut(bytes: Uint8Array, options: AudioOptions): Promise<void> {
  await cutAudio(
    { bytes, name: 'sound', modality: 'audio', mediaType: 'audio/x', confidence: 1 },
    settledAudio(options),
    {
      limits,
      budget: new Budget(limits),
      ffmpeg: undefined,
      maxSegmentBytes: 16 << 20,
      member: async () => [],
    },
  );
}

/** What the decoders do with a whole file, by themselves. */
const decoders: Readonly<Record<string, { readonly name: string; run(bytes: Uint8Array): unknown }>> = {
  wav: {
    name: 'reading the samples as floats',
    run: (bytes) => {
      const layout = wavLayout(bytes);
      return layout === undefined ? 0 : [...(pcmSound(bytes, layout).blocks() as Iterable<unknown>)].length;
    },
  },
  flac: {
    name: 'its decoder alone',
    async run(bytes) {
      const decoder = new FLACDecoder();
      await decoder.ready;
      await decoder.decodeFile(bytes);
      decoder.free();
    },
  },
  mp3: {
    name: 'its decoder alone',
    async run(bytes) {
      const decoder = new MPEGDecoder();
      await decoder.ready;
      decoder.decode(bytes);
      decoder.free();
    },
  },
  ogg: {
    name: 'its decoder alone',
    async run(bytes) {
      const decoder = new OggVorbisDecoder();
      await decoder.ready;
      await decoder.decodeFile(bytes);
      decoder.free();
    },
  },
  opus: {
    name: 'its decoder alone, of packets',
    async run(bytes) {
      const stream = oggSound(bytes);
      const decoder = new OpusDecoder({ channels: 2 });
      await decoder.ready;
      if (stream !== undefined) decoder.decodeFrames(packetsOf(stream).packets.slice(2));
      decoder.free();
    },
  },
};

/** A minute of two tones and noise in every format; undefined without ffmpeg. */
function minute(folder: string, format: string): Uint8Array | undefined {
  if (spawnSync('ffmpeg', ['-version']).status !== 0) return undefined;
  const tones = `aevalsrc=exprs=0.4*sin(440*2*PI*t)|0.4*sin(1234.5*2*PI*t):s=44100:d=${SECONDS}`;
  const noise = `anoisesrc=d=${SECONDS}:c=pink:r=44100:a=0.2:seed=1`;
  const mixed = '[1]pan=stereo|c0=c0|c1=-1*c0[n];[0][n]amix=inputs=2:normalize=0';
  const path = join(folder, `minute.${format}`);
  const graph = ['-f', 'lavfi', '-i', tones, '-f', 'lavfi', '-i', noise, '-filter_complex', mixed];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...graph, ...(format === 'mp3' ? ['-b:a', '128k'] : []), path]);
  return readFileSync(path);
}

/** Sound to frames against its decoders alone: a minute, stereo, 44.1 kHz (48 in Opus). */
export default async function audio(bench: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    for (const [format, { name, run }] of Object.entries(decoders)) {
      const bytes = minute(folder, format);
      if (bytes === undefined) continue;
      const peer = { name, run: () => run(bytes) };
      await bench.compare({ case: `${format} to 16 kHz, mono`, measure, run: () => cut(bytes, {}), peer });
      const kept: AudioOptions = { sampleRate: 'keep', channels: 'keep' };
      await bench.compare({ case: `${format} as it is`, measure, run: () => cut(bytes, kept), peer });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
