import type { Limits } from '../../decoders/limits.ts';
import type { Budget } from './budget.ts';
import type { Found } from './detect.ts';
import type { Cut } from './view.ts';

/** Bytes to be taken apart, and what is known of them. */
export interface CutInput extends Found {
  readonly bytes: Uint8Array;
  /** File name or path, for messages and for what only a name tells. */
  readonly name: string;
}

/** What whoever takes bytes apart may ask for. */
export interface CutContext {
  readonly limits: Limits;
  /** Shared by everything that comes of one record: what grows is charged before it is allocated. */
  readonly budget: Budget;
  /** Path of the ffmpeg program; undefined where there is none, or it is turned off. */
  readonly ffmpeg: string | undefined;
  /** Bytes of a segment at most, where nothing else cuts them. */
  readonly maxSegmentBytes: number;
  /** What a member is cut into: it is detected like a record of its own, one level deeper. Never throws. */
  member(name: string, bytes: Uint8Array): Promise<readonly Cut[]>;
}

/**
 * How one modality is taken apart. Runs in a decoder process (`src/decoders`), which is killed where it exceeds its
 * limits; throws `Failure` for what is wrong with the bytes.
 */
export type Cutter<S> = (input: CutInput, settings: S, context: CutContext) => readonly Cut[] | Promise<readonly Cut[]>;
