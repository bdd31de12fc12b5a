import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Place, RequestGate } from '../../../src/storage/http/requestGate.ts';
import { misbehavingServer } from '../../support/misbehavingServer.ts';
import { noise, quickClient, read } from './helpers.ts';

describe('RequestGate', () => {
  it('lets in as many as there are places, then one for each that leaves, in order', async () => {
    const gate = new RequestGate(2);
    const order: number[] = [];
    const places: Place[] = [];
    const entering = [0, 1, 2, 3, 4].map(async (n) => {
      places[n] = await gate.enter(undefined);
      order.push(n);
    });
    await sleep(0);
    expect(order).toEqual([0, 1]);
    for (const n of [0, 1, 2]) {
      places[n]?.leave();
      await sleep(0);
      expect(order).toEqual([0, 1, 2, 3, 4].slice(0, n + 3));
    }
    await Promise.all(entering);
  });

  it('lets nobody past those who wait', async () => {
    const gate = new RequestGate(1);
    const place = await gate.enter(undefined);
    const order: string[] = [];
    const first = gate.enter(undefined).then((next) => {
      order.push('first');
      next.leave();
    });
    place.leave();
    const second = gate.enter(undefined).then((next) => {
      order.push('second');
      next.leave();
    });
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });

  it('forgets who is aborted while they wait, and gives their place to the next', async () => {
    const gate = new RequestGate(1);
    const place = await gate.enter(undefined);
    const controller = new AbortController();
    const gone = gate.enter(controller.signal);
    const next = gate.enter(undefined);
    controller.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    place.leave();
    (await next).leave();
    await expect(gate.enter(controller.signal)).rejects.toThrow('enough');
  });

  it('lends a place that is not used for a while, and its holder waits for another one', async () => {
    const gate = new RequestGate(1);
    const place = await gate.enter(undefined);
    place.rest();
    expect(place.resume(undefined)).toBeUndefined();
    place.rest();
    const borrower = await gate.enter(undefined);
    let back = false;
    const resumed = place.resume(undefined)?.then(() => {
      back = true;
    });
    await sleep(5);
    expect(back).toBe(false);
    borrower.leave();
    await resumed;
    expect(back).toBe(true);
    place.leave();
    (await gate.enter(undefined)).leave();
  });

  it('lends no place that is used, however long that takes', async () => {
    const gate = new RequestGate(1);
    const place = await gate.enter(undefined);
    let entered = false;
    const waiting = gate.enter(undefined).then((next) => {
      entered = true;
      next.leave();
    });
    await sleep(100);
    expect(entered).toBe(false);
    place.leave();
    await waiting;
  });
});

describe('open requests of a client', () => {
  it('are never more than allowed', async () => {
    const file = noise(300_000);
    await using server = await misbehavingServer({ 'a.bin': file });
    const client = quickClient({ openRequests: 3 });
    const facts = await client.describe(server.url('a.bin'));
    server.inject({ kind: 'slow', piece: 50_000, everyMs: 5, times: 10 });
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => read(client, facts, n * 1000, 250_000 + n)));
    for (const [n, bytes] of all.entries()) expect(bytes.equals(file.subarray(n * 1000, 250_000 + n))).toBe(true);
    expect(server.open.most).toBe(3);
    await client.close();
  });

  it('may be fewer than the streams that one reader has open: none waits for ever', async () => {
    const file = noise(512 << 10);
    await using server = await misbehavingServer({ 'a.bin': file });
    const client = quickClient({ openRequests: 2 });
    const facts = await client.describe(server.url('a.bin'));
    const streams = [0, 1, 2, 3, 4].map(() => client.range(facts, 0, facts.size));
    const parts = streams.map((): Uint8Array[] => []);
    for (let done = 0; done < streams.length; ) {
      done = 0;
      for (const [n, stream] of streams.entries()) {
        const { value } = await stream.next();
        if (value === undefined) done++;
        else parts[n]?.push(value);
      }
    }
    for (const part of parts) expect(Buffer.concat(part).equals(file)).toBe(true);
    await client.close();
  });
});
