import type { Limits } from '../../decoders/limits.ts';
import type { Modality } from '../../records.ts';
import { Failure } from '../../sources/failure.ts';
import { Budget } from './budget.ts';
import { cutters } from './cutters.ts';
import { detect } from './detect.ts';
import type { CutContext, CutInput } from './modality.ts';
import { requireWhole } from './partOfFile.ts';
import { rawView } from './rawView.ts';
import type { Settings } from './settings.ts';
import { type Cut, isRefused, type Refused } from './view.ts';

/** What reaches a decoder process beside a record's bytes. */
export interface RecordFacts {
  readonly uri: string;
  /** What the source says it is. */
  readonly stated: Modality | undefined;
  /** Whether the source gives a part of a file that is too large for it. */
  readonly part?: boolean | undefined;
  readonly settings: Settings;
  readonly limits: Limits;
  /** Path of the ffmpeg program; undefined where there is none, or it is turned off. */
  readonly ffmpeg: string | undefined;
}

/**
 * Takes a record apart, members of archives included: what it is, then by its modality.
 * @throws Failure where nothing of the record can be had
 */
export async function cutRecord(bytes: Uint8Array, facts: RecordFacts): Promise<readonly Cut[]> {
  const { uri, stated, part, settings, limits, ffmpeg } = facts;
  const shared = { settings, limits, ffmpeg, budget: new Budget(limits) };
  const cuts = await cutAt({ bytes, uri, stated, part }, shared, 0);
  // nothing is lost silently: a record and each of its views is written or rejected
  if (cuts.length === 0) throw new Failure('EMPTY_DOCUMENT', 'there is nothing in it');
  return cuts.map((cut) => (isRefused(cut) || cut.segments.ends.length > 0 ? cut : refusedEmpty(cut)));
}

const refusedEmpty = ({ suffix, member }: Cut): Refused => ({
  suffix,
  member,
  code: 'EMPTY_DOCUMENT',
  message: 'there is nothing in it',
});

interface Piece {
  readonly bytes: Uint8Array;
  readonly uri: string;
  readonly stated?: Modality | undefined;
  readonly part?: boolean | undefined;
}

interface Shared {
  readonly settings: Settings;
  readonly limits: Limits;
  readonly ffmpeg: string | undefined;
  readonly budget: Budget;
}

async function cutAt(record: Piece, shared: Shared, depth: number): Promise<readonly Cut[]> {
  const { settings, limits, ffmpeg, budget } = shared;
  if (record.bytes.length === 0) throw new Failure('EMPTY_DOCUMENT', 'there are no bytes');
  const found = await detect(record.bytes, record.uri, { ...settings.detection, stated: record.stated });
  if (record.part === true) requireWhole(found.modality, record.uri, settings);
  const input: CutInput = { ...found, bytes: record.bytes, name: record.uri };
  const context: CutContext = {
    limits,
    budget,
    ffmpeg,
    maxSegmentBytes: settings.maxSegmentBytes,
    member: async (name, bytes) => {
      try {
        budget.requireDepth(depth + 1);
        const cuts = await cutAt({ bytes, uri: `${record.uri}!/${name}` }, shared, depth + 1);
        return cuts.map((cut) => within(cut, name, bytes));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        const { code, message, hint } = error;
        return [{ suffix: `!/${name}`, member: name, code, message, hint }];
      }
    },
  };
  return cutWith(input, settings, context);
}

/** What is cut of a member, as seen from the archive that it lies in. */
function within(cut: Cut, name: string, bytes: Uint8Array): Cut {
  const placed = {
    ...cut,
    suffix: `!/${name}${cut.suffix}`,
    member: cut.member === undefined ? name : `${name}!/${cut.member}`,
  };
  if ('code' in placed) return placed;
  return {
    ...placed,
    ...(placed.record === undefined ? {} : { record: `!/${name}${placed.record}` }),
    contentBytes: placed.contentBytes ?? bytes.length,
    // pixels and samples need no bytes of the file that they were made from
    ...(placed.derived === undefined ? { content: placed.content ?? bytes } : {}),
  };
}

async function cutWith(input: CutInput, settings: Settings, context: CutContext): Promise<readonly Cut[]> {
  const { modality } = input;
  const own = settings.modalities[modality];
  if (own === false) return [rawView(input, context.maxSegmentBytes)];
  try {
    const cutter = await cutters[modality]();
    return await cutter(input, own, context);
  } catch (error) {
    if (!(error instanceof Failure) || settings.undecoded === 'reject' || error.code !== 'UNDECODED') throw error;
    return [rawView(input, context.maxSegmentBytes)];
  }
}
