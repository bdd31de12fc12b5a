import { FLACDecoder } from '@wasm-audio-decoders/flac';
import { standsAt } from './bytes.ts';
import { packageVersion } from './decoderVersion.ts';
import { type FlacFrameHeader, flacFrameAt, isWholeFrame, type StreamInfo, streamInfo } from './flacFrames.ts';
import { id3Bytes } from './mpegFrames.ts';
import { damaged, type Sound } from './sound.ts';

/** Samples of all channels that are decoded at a time. */
const STEP = 1 << 17;

/** Whole frames of a FLAC stream, and the samples that they have. */
interface Frames {
  readonly frames: readonly Uint8Array[];
  readonly sizes: readonly number[];
  readonly truncated?: string | undefined;
}

const follows = (next: FlacFrameHeader, { number, samples, varies }: FlacFrameHeader): boolean =>
  next.varies === varies && next.number === number + (varies ? samples : 1);

/** Where the metadata before the first frame ends. */
function audioStart(file: Uint8Array, start: number): { readonly info: StreamInfo; readonly at: number } {
  const info = streamInfo(file.subarray(start + 8));
  if (((file[start + 4] ?? 0) & 0x7f) !== 0) throw damaged('the FLAC file does not begin with its stream information');
  for (let at = start + 4; at + 4 <= file.length; ) {
    const [kind = 0, a = 0, b = 0, c = 0] = file.subarray(at, at + 4);
    at += 4 + ((a << 16) | (b << 8) | c);
    if ((kind & 0x80) !== 0) return { info, at };
  }
  throw damaged('the FLAC file ends in its metadata');
}

/** A frame tells its beginning and not its end: the next one begins there, which has the next number. */
function framesFrom(file: Uint8Array, start: number, channels: number): Frames {
  const frames: Uint8Array[] = [];
  const sizes: number[] = [];
  // an ID3v1 tag has no business here, and is found all the same
  const end = standsAt(file, file.length - 128, 'TAG') ? file.length - 128 : file.length;
  let at = start;
  let frame = at < end ? flacFrameAt(file, at) : undefined;
  if (frame === undefined && at < end) throw damaged(`in the FLAC file no frame is at byte ${at}, where one should be`);
  while (frame !== undefined) {
    if (frame.channels !== channels) throw damaged(`the FLAC file changes its channels at byte ${at}`);
    let next: FlacFrameHeader | undefined;
    let place = file.indexOf(0xff, at + 8);
    for (; place !== -1 && place < end; place = file.indexOf(0xff, place + 1)) {
      next = flacFrameAt(file, place);
      if (next !== undefined && follows(next, frame)) break;
      next = undefined;
    }
    const bytes = file.subarray(at, next === undefined ? end : place);
    if (next === undefined && !isWholeFrame(bytes)) {
      return { frames, sizes, truncated: `the frame at byte ${at} is not whole` };
    }
    frames.push(bytes);
    sizes.push(frame.samples);
    frame = next;
    at = place;
  }
  return { frames, sizes };
}

/** Sound of whole frames, from whatever container. */
export function flacSound(format: string, info: StreamInfo, { frames, sizes, truncated }: Frames): Sound {
  const samples = sizes.reduce((sum, size) => sum + size, 0);
  const missing = samples < info.samples ? `${info.samples} samples are promised, and ${samples} are there` : undefined;
  if (info.samples !== 0 && samples > info.samples) {
    throw damaged(`the FLAC file promises ${info.samples} samples, and has ${samples}`);
  }
  const full = 2 ** (info.bits - 1);
  return {
    format,
    decoder: packageVersion('@wasm-audio-decoders/flac'),
    sampleRate: info.sampleRate,
    channels: info.channels,
    samples,
    truncated: truncated ?? missing,
    // it divides by the largest positive number
    peak: full / (full - 1),
    async *blocks() {
      const decoder = new FLACDecoder();
      await decoder.ready;
      try {
        for (let first = 0; first < frames.length; ) {
          let last = first;
          for (let taken = 0; last < frames.length && taken < STEP; last++) taken += info.channels * (sizes[last] ?? 0);
          const { channelData, errors } = await decoder.decodeFrames(frames.slice(first, last));
          if (errors[0] !== undefined) throw damaged(`the FLAC file cannot be decoded: ${errors[0].message}`);
          if (channelData.length !== info.channels) throw damaged('the FLAC file changes its channels');
          yield channelData;
          first = last;
        }
      } finally {
        decoder.free();
      }
    },
  };
}

/** A FLAC file. @throws Failure `DAMAGED_FILE` */
export function nativeFlacSound(file: Uint8Array): Sound {
  const { info, at } = audioStart(file, id3Bytes(file, 0));
  return flacSound('flac', info, framesFrom(file, at, info.channels));
}

/** Packets of FLAC in Ogg (RFC 9639, section 10.1): each is a block of metadata, or a frame. */
export function packedFlacSound(packets: readonly Uint8Array[], truncated: string | undefined): Sound {
  const [head = new Uint8Array(0), ...rest] = packets;
  const info = streamInfo(head.subarray(17));
  const frames = rest.filter((packet) => packet[0] === 0xff);
  const sizes = frames.map((frame) => {
    const header = flacFrameAt(frame, 0);
    if (header?.channels !== info.channels) throw damaged('the FLAC file has a damaged frame');
    return header.samples;
  });
  return flacSound('ogg flac', info, { frames, sizes, truncated });
}
