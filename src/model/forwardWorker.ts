import { moving } from '../run/pool.ts';
import type { ForwardBatch, ForwardOutcome, ForwardResult } from './forward.ts';
import { ForwardSession } from './session.ts';

/** A worker that serves several models keeps the last two open. */
const SESSIONS = 2;
const sessions = new Map<string, Promise<ForwardSession>>();

/** Computes passes one by one; one that fails does not touch the others. */
export default async function forward(batch: ForwardBatch): Promise<unknown> {
  const session = await sessionOf(batch);
  const outcomes: ForwardOutcome[] = [];
  const buffers: ArrayBuffer[] = [];
  for (const task of batch.tasks) {
    try {
      const result = await session.run(task);
      buffers.push(...buffersOf(result));
      outcomes.push({ result });
    } catch (error) {
      outcomes.push({ failure: error instanceof Error ? error.message : String(error) });
    }
  }
  return moving(outcomes, buffers);
}

function sessionOf({ dir, id }: ForwardBatch): Promise<ForwardSession> {
  const key = `${id} ${dir}`;
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
  const opened = ForwardSession.open(dir);
  sessions.set(key, opened);
  opened.catch(() => sessions.delete(key));
  return opened;
}

function buffersOf(result: ForwardResult): ArrayBuffer[] {
  return [result.entropies, result.norms, result.preNorm, result.logits, result.next?.data].flatMap((array) =>
    array === undefined ? [] : [array.buffer],
  );
}
