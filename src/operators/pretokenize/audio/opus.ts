import { OpusDecoder } from 'opus-decoder';
import { standsAt, viewOf } from './bytes.ts';
import { packageVersion } from './decoderVersion.ts';
import { inWavOrder, type OggStream, packetsOf, trimmed } from './ogg.ts';
import { damaged, requireShape, type Sound } from './sound.ts';

const RATE = 48_000;
/** Packets that are decoded at a time. */
const STEP = 64;
/** Samples that a packet has at most: 120 ms. */
const MOST_SAMPLES = 5760;

/** The identification header (RFC 7845, section 5.1). */
interface Head {
  readonly channels: number;
  readonly preSkip: number;
  /** Factor for all samples. */
  readonly gain: number;
  readonly streamCount: number;
  readonly coupledStreamCount: number;
  readonly channelMappingTable: number[];
  readonly family: number;
}

function headOf(packet: Uint8Array): Head | undefined {
  if (packet.length < 19) throw damaged('the Opus file ends in its header');
  const view = viewOf(packet);
  const channels = view.getUint8(9);
  requireShape('Opus', RATE, channels);
  const family = view.getUint8(18);
  const shared = { channels, family, preSkip: view.getUint16(10, true), gain: 10 ** (view.getInt16(16, true) / 5120) };
  if (family === 0) {
    if (channels > 2) throw damaged(`the Opus file has ${channels} channels, and no mapping of them`);
    const channelMappingTable = channels === 1 ? [0] : [0, 1];
    return { ...shared, streamCount: 1, coupledStreamCount: channels - 1, channelMappingTable };
  }
  // families beyond have matrices in place of tables
  if (family > 2 && family !== 255) return undefined;
  if (packet.length < 21 + channels) throw damaged('the Opus file ends in its header');
  const streamCount = view.getUint8(19);
  const coupledStreamCount = view.getUint8(20);
  const channelMappingTable = [...packet.subarray(21, 21 + channels)];
  const streams = streamCount + coupledStreamCount;
  const fits = channelMappingTable.every((stream) => stream === 255 || stream < streams);
  if (streamCount < 1 || coupledStreamCount > streamCount || streams > 255 || !fits) {
    throw damaged('the Opus file maps its channels to streams that do not exist');
  }
  return { ...shared, streamCount, coupledStreamCount, channelMappingTable };
}

/** Samples at 48 kHz of the frames of SILK, hybrid and CELT, by the upper bits of a packet's first byte (RFC 6716, section 3.1). */
function samplesOf(packet: Uint8Array): number {
  const [toc = 0, count = 0] = packet;
  const kind = toc >> 3;
  const size = kind < 12 ? ([480, 960, 1920, 2880][kind & 3] ?? 0) : kind < 16 ? 480 << (kind & 1) : 120 << (kind & 3);
  const frames = [1, 2, 2, count & 63][toc & 3] ?? 0;
  const samples = size * frames;
  if (packet.length === 0 || samples === 0 || samples > MOST_SAMPLES)
    throw damaged('the Opus file has a damaged packet');
  return samples;
}

/**
 * Opus in Ogg (RFC 7845), always at 48 kHz, with its gain applied, without what stands before its beginning and behind
 * its end. Undefined where channels are mapped by a matrix.
 * @throws Failure `DAMAGED_FILE`
 */
export function opusSound(stream: OggStream): Sound | undefined {
  const { packets, counts } = packetsOf(stream);
  const [first, tags, ...audio] = packets;
  const head = headOf(first ?? new Uint8Array(0));
  if (head === undefined) return undefined;
  if (tags === undefined || !standsAt(tags, 0, 'OpusTags')) throw damaged('the Opus file has no comment header');
  const { channels, preSkip, gain, family } = head;
  let total = 0;
  const upTo = audio.map((packet) => {
    total += samplesOf(packet);
    return total;
  });
  // a stream may begin later than at 0: then its first page tells where
  const begun = stream.pages.findIndex((page, n) => (counts[n] ?? 0) > 2 && page.granule >= 0);
  const early = stream.pages[begun];
  const origin =
    early === undefined || early.last ? 0 : Math.max(0, early.granule - (upTo[(counts[begun] ?? 0) - 3] ?? 0));
  const granule = stream.pages.findLast((page) => page.granule >= 0)?.granule ?? 0;
  // where the last page is missing, all that is there counts
  const end = stream.truncated === undefined ? granule - origin : total;
  if (end > total) throw damaged(`the Opus file promises ${end} samples, and has ${total}`);
  return {
    format: 'ogg opus',
    decoder: packageVersion('opus-decoder'),
    sampleRate: RATE,
    channels,
    samples: Math.max(0, end - preSkip),
    truncated: stream.truncated,
    peak: 1 / gain,
    async *blocks() {
      const { streamCount, coupledStreamCount, channelMappingTable } = head;
      const decoder = new OpusDecoder({ channels, streamCount, coupledStreamCount, channelMappingTable });
      await decoder.ready;
      const trim = trimmed(preSkip, end);
      try {
        for (let at = 0; at < audio.length; at += STEP) {
          const { channelData, errors } = decoder.decodeFrames(audio.slice(at, at + STEP));
          if (errors[0] !== undefined) throw damaged(`the Opus file cannot be decoded: ${errors[0].message}`);
          yield trim(family === 1 ? inWavOrder(channelData) : channelData);
        }
      } finally {
        decoder.free();
      }
    },
  };
}
