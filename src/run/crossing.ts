import { PipelineError, SluiceError } from '../errors.ts';

/** What tells errors apart, as it crosses a thread boundary: of an error only message, stack and cause do. */
interface Details {
  readonly code: string;
  readonly path?: string | undefined;
  readonly hint?: string | undefined;
  /** It is one of sluice's own; else one of the system. */
  readonly own: boolean;
}

/** Runs the work of a worker module; {@link arrived} makes what it throws whole again on the other side. */
export function crossing<R>(work: () => R): R;
export function crossing<R>(work: () => Promise<R>): Promise<R>;
export function crossing<R>(work: () => R | Promise<R>): R | Promise<R> {
  try {
    const result = work();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw sendable(error);
    });
  } catch (error) {
    throw sendable(error);
  }
}

function sendable(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, path, hint } = error as { code?: unknown; path?: unknown; hint?: unknown };
  if (typeof code !== 'string') return error;
  const details: Details = { code, path: text(path), hint: text(hint), own: error instanceof SluiceError };
  const sent = new Error(error.message, { cause: details });
  if (error.stack !== undefined) sent.stack = error.stack;
  return sent;
}

/** The error that {@link crossing} sent: a PipelineError, or one of the system with its code; others as they are. */
export function arrived(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const details = error.cause as Partial<Details> | null | undefined;
  if (typeof details?.code !== 'string' || typeof details.own !== 'boolean') return error;
  const { code, path, hint, own } = details;
  if (own) return new PipelineError(error.message, { code, path, hint, cause: error });
  return Object.assign(new Error(error.message, { cause: error }), { code, ...(path === undefined ? {} : { path }) });
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
