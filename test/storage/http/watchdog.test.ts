import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Answer } from '../../../src/storage/http/transport.ts';
import { chunksOf, within } from '../../../src/storage/http/watchdog.ts';

const never = new AbortController().signal;
const tooLong = (): Error => new Error('too long');

/** Keeps the thread from its timers and its input. */
function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Two ends of a connection. */
async function line(): Promise<[Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown];
  onTestFinished(() => {
    far.destroy();
    near.destroy();
    server.close();
  });
  return [far, near];
}

const answer = (chunks: () => AsyncGenerator<Uint8Array>): Pick<Answer, 'body' | 'path'> => ({
  path: 'here',
  // All that is asked of a body is to be a stream.
  body: Readable.from(chunks()) as unknown as Answer['body'],
});

describe('the watchdog', () => {
  it('ends what takes too long, by the signal that it gives', async () => {
    let ended: unknown;
    const waiting = within(20, never, tooLong, (signal) => {
      signal.addEventListener('abort', () => {
        ended = signal.reason;
      });
      return sleep(10_000, undefined, { signal });
    });
    await expect(waiting).rejects.toThrow('too long');
    expect(ended).toEqual(tooLong());
    const body = answer(async function* () {
      yield Buffer.from('a');
      await sleep(100);
    });
    const chunks = chunksOf(body, 20);
    expect((await chunks.next()).value).toEqual(Buffer.from('a'));
    await expect(chunks.next()).rejects.toMatchObject({ code: 'STALLED', path: 'here' });
  });

  it('does not take for stalled what has arrived while the thread was busy', async () => {
    // What is written to a socket of this machine has arrived at once, however little the machine gives this process.
    const [far, near] = await line();
    const arriving = within(20, never, tooLong, () => once(near, 'data'));
    far.write('a');
    busy(60);
    await arriving;
    const [there, here] = await line();
    const chunks = chunksOf({ path: 'here', body: here as unknown as Answer['body'] }, 20);
    for (let n = 0; n < 3; n++) {
      const next = chunks.next();
      await Promise.resolve();
      there.write(Buffer.from([n]));
      busy(60);
      expect((await next).value).toEqual(Buffer.from([n]));
    }
    await chunks.return();
  });

  it('counts no time in which the reader is away', async () => {
    const body = answer(async function* () {
      yield Buffer.from('a');
      yield Buffer.from('b');
    });
    const seen: string[] = [];
    for await (const chunk of chunksOf(body, 20)) {
      seen.push(Buffer.from(chunk).toString());
      await sleep(60);
    }
    expect(seen).toEqual(['a', 'b']);
  });

  it('listens to the signal of its caller, for as long as it is needed', async () => {
    const controller = new AbortController();
    const waiting = within(10_000, controller.signal, tooLong, (signal) => sleep(10_000, undefined, { signal }));
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(within(10_000, controller.signal, tooLong, async () => 1)).rejects.toThrow('enough');
  });
});
