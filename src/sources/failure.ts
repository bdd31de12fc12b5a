import { type Position, RecordError } from '../errors.ts';

/** Why a record or a stream cannot be read; whoever knows where it lies turns it into a RecordError. */
export class Failure extends Error {
  override name = 'Failure';
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }

  at(path: string, position?: Position): RecordError {
    return new RecordError(this.message, { code: this.code, path, position, hint: this.hint, cause: this.cause });
  }
}
