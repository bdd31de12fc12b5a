import { moving } from '../../run/pool.ts';
import { readModelFile } from '../modelFile.ts';
import type { ForwardBatch, ForwardOutcome, ForwardResult, SessionSpec } from './forward.ts';
import { openSession } from './openSession.ts';
import { type ForwardSession, failure } from './session.ts';

/** A worker that serves several models, or one with different numbers of threads, keeps the last of them open. */
const SESSIONS = 4;
const sessions = new Map<string, Promise<ForwardSession>>();

/** Computes passes; one that fails does not touch the others. */
export default async function forward({ spec, tasks }: ForwardBatch): Promise<unknown> {
  let outcomes: ForwardOutcome[];
  try {
    outcomes = await (await sessionOf(spec)).run(tasks);
  } catch (error) {
    outcomes = tasks.map(() => failure(error));
  }
  return moving(
    outcomes,
    outcomes.flatMap((outcome) => ('result' in outcome ? buffersOf(outcome.result) : [])),
  );
}

function sessionOf(spec: SessionSpec): Promise<ForwardSession> {
  const key = [spec.id, spec.path, spec.threads, spec.generation].join(' ');
  const known = sessions.get(key);
  if (known !== undefined) {
    sessions.delete(key);
    sessions.set(key, known);
    return known;
  }
  for (const [oldest, session] of sessions) {
    if (sessions.size < SESSIONS) break;
    sessions.delete(oldest);
    session.then((opened) => opened.close()).catch(() => {});
  }
  const opened = readModelFile(spec.path).then((model) => openSession(model, spec));
  sessions.set(key, opened);
  opened.catch(() => sessions.delete(key));
  return opened;
}

function buffersOf(result: ForwardResult): ArrayBuffer[] {
  return [result.entropies, result.norms, result.preNorm, result.logits].flatMap((array) =>
    array === undefined ? [] : [array.buffer],
  );
}
