import { type RecordError, SluiceError } from '../errors.ts';
import type { RunContext } from './context.ts';
import { RejectKinds } from './rejectKinds.ts';

/** One line of a reject file. */
interface RejectLine {
  readonly stage: string;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly uri?: string | undefined;
  readonly position?: RecordError['position'];
  /** The record itself where it is small, as text if it is UTF-8, else as base64. */
  readonly payload?: string;
  readonly payload_base64?: string;
}

/** A record's bytes are kept in the reject line up to this size; beyond it the position must do. */
const PAYLOAD_LIMIT = 4096;
/** Reject lines of one split are held in memory to be put in order; this many bytes end the run instead. */
const REJECT_BYTES = 32 << 20;

/** More records failed than the run allows. */
export class RejectLimitError extends SluiceError {
  override name = 'RejectLimitError';
}

/** From this many records on the reject rate is looked at: of fewer it says nothing. */
const RATE_FROM = 100;
const DEFAULT_REJECT_RATE = 0.5;

/** Records of one split or several, and what became of them. */
interface RejectShare {
  /** Share of rejects that is borne. Default 0.5. */
  readonly most?: number | undefined;
  readonly rejects: number;
  readonly records: number;
  /** Of which splits, for the message. */
  readonly where: string;
  /** Of those rejects, as far as this process has seen them. */
  readonly kinds: RejectKinds;
  /** Whether they are in files, as those of committed splits are. */
  readonly listed: boolean;
}

/**
 * Looks at whole splits only, in the order of the plan, so that neither memory nor timing decides how a run ends.
 * @throws RejectLimitError `REJECT_RATE`, with the most frequent code and the first record that has it
 */
export function requireRate({ most = DEFAULT_REJECT_RATE, rejects, records, where, kinds, listed }: RejectShare): void {
  if (records < RATE_FROM || rejects <= most * records) return;
  const { commonest } = kinds;
  const { message, hint, path, position } = commonest?.example ?? {};
  const cause = commonest === undefined ? '' : `, most often ${commonest.code}: ${message}`;
  throw new RejectLimitError(`${rejects} of ${records} records of ${where} were rejected${cause}`, {
    code: 'REJECT_RATE',
    path,
    position,
    hint:
      `${hint === undefined ? '' : `${hint}\n`}maxRejectRate is ${most}${listed ? '; rejects/ lists them all' : ''}. ` +
      'If so many are to be expected, raise it up to 1: --max-reject-rate, or the options of definePipeline.',
  });
}

/**
 * Collects the rejects of one split. Stages work at their own pace, so lines come in any order; they are written in the
 * order of the source, which makes the file a function of the input.
 */
export class Rejects implements RunContext {
  #lines: { ordinal: number; stage: string; text: string }[] = [];
  #bytes = 0;
  readonly #failFast: boolean;
  readonly kinds = new RejectKinds();

  constructor(failFast = false) {
    this.#failFast = failFast;
  }

  get count(): number {
    return this.#lines.length;
  }

  reject(stage: string, error: RecordError, payload?: Uint8Array): void {
    if (this.#failFast) {
      throw new RejectLimitError(`${stage}: ${error.message}`, {
        code: error.code,
        path: error.path,
        position: error.position,
        hint: error.hint,
        cause: error,
      });
    }
    const line: RejectLine = {
      stage,
      code: error.code,
      message: error.message,
      hint: error.hint,
      uri: error.path,
      position: error.position,
      ...payloadOf(payload),
    };
    const text = `${JSON.stringify(line)}\n`;
    this.#bytes += text.length;
    if (this.#bytes > REJECT_BYTES) {
      throw new RejectLimitError(`one split rejects more than ${REJECT_BYTES >> 20} MiB of records`, {
        code: 'TOO_MANY_REJECTS',
        path: error.path,
        position: error.position,
        hint: `the last one: ${error.message}`,
      });
    }
    this.kinds.add(error);
    this.#lines.push({ ordinal: error.position?.ordinal ?? -1, stage, text });
  }

  /** All lines in the order of the source; stages of one record, and equal positions, in the order of their text. */
  text(): string {
    const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    this.#lines.sort((a, b) => a.ordinal - b.ordinal || compare(a.stage, b.stage) || compare(a.text, b.text));
    return this.#lines.map((line) => line.text).join('');
  }
}

function payloadOf(payload: Uint8Array | undefined): Pick<RejectLine, 'payload' | 'payload_base64'> {
  if (payload === undefined || payload.length > PAYLOAD_LIMIT) return {};
  try {
    return { payload: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload) };
  } catch {
    return { payload_base64: Buffer.from(payload).toString('base64') };
  }
}
