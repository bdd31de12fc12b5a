import { moving } from '../../run/pool.ts';
import type { ForwardBatch, ForwardOutcome, ForwardResult, SessionSpec } from './forward.ts';
import { areAbandoned, LayersAbandoned, type SharedLayers } from './layers/sharedLayers.ts';
import { openSession } from './openSession.ts';
import { type ForwardSession, failure } from './session.ts';

/** A worker that serves several models, or one with different numbers of threads, keeps the last of them open. */
const SESSIONS = 4;

interface Open {
  readonly session: Promise<ForwardSession>;
  readonly layers: SharedLayers | undefined;
}

/** The one used last stands last. */
const sessions = new Map<string, Open>();

/** Computes passes; one that fails does not touch the others. */
export default async function forward({ spec, tasks }: ForwardBatch): Promise<unknown> {
  let outcomes: ForwardOutcome[];
  try {
    outcomes = await (await sessionOf(spec)).run(tasks);
  } catch (error) {
    outcomes = tasks.map(() => (error instanceof LayersAbandoned ? { abandoned: true } : failure(error)));
  }
  return moving(
    outcomes,
    outcomes.flatMap((outcome) => ('result' in outcome ? buffersOf(outcome.result) : [])),
  );
}

function sessionOf(spec: SessionSpec): Promise<ForwardSession> {
  const key = [spec.id, spec.model.path, spec.threads, spec.layers?.id ?? 0].join(' ');
  const known = sessions.get(key);
  if (known !== undefined) {
    sessions.delete(key);
    sessions.set(key, known);
    return known.session;
  }
  for (const [oldest, { session, layers }] of sessions) {
    if (sessions.size < SESSIONS && !(layers !== undefined && areAbandoned(layers))) continue;
    sessions.delete(oldest);
    session.then((opened) => opened.close()).catch(() => {});
  }
  const session = openSession(spec.model, spec);
  sessions.set(key, { session, layers: spec.layers });
  session.catch(() => sessions.delete(key));
  return session;
}

function buffersOf(result: ForwardResult): ArrayBuffer[] {
  return [result.entropies, result.norms, result.preNorm, result.logits].flatMap((array) =>
    array === undefined ? [] : [array.buffer],
  );
}
