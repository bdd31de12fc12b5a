import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SourceError } from '../../../src/errors.ts';
import { type Fault, misbehavingServer } from '../../support/misbehavingServer.ts';
import { collect, noise, quickClient } from './helpers.ts';

const SIZE = 200_000;
const FILE = noise(SIZE);
const OTHER = noise(SIZE, 2);

const some = fc.integer({ min: 0, max: SIZE });
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), after: some }),
  fc.record({ kind: fc.constant('short' as const), by: some }),
  fc.record({ kind: fc.constant('chunked' as const), after: some }),
  fc.record({ kind: fc.constant('long' as const), by: some }),
  fc.record({ kind: fc.constant('stall' as const), after: some }),
  fc.record({ kind: fc.constant('lessRange' as const), bytes: fc.integer({ min: 1, max: SIZE }) }),
  fc.record({ kind: fc.constant('contentRange' as const), start: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant('contentRange' as const), total: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constantFrom('ignoreRange' as const, 'reset' as const) }),
  fc.record({ kind: fc.constant('etag' as const), value: fc.constantFrom('"x"', 'W/"x"', '') }),
  fc.record({ kind: fc.constant('encoded' as const), encoding: fc.constantFrom('gzip', 'identity') }),
  fc.record({
    kind: fc.constant('status' as const),
    status: fc.constantFrom(204, 400, 403, 404, 410, 416, 429, 500, 503),
    retryAfter: fc.constantFrom(0, 'soon'),
  }),
);

it('whatever goes wrong, a range gives its exact bytes or an error, and fetches hardly more than it needs', async () => {
  let whole = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 6 }),
      some,
      some,
      fc.boolean(),
      fc.constantFrom('strong' as const, 'weak' as const, 'none' as const),
      fc.option(fc.integer({ min: 1, max: 5 })),
      async (faults, a, b, store, etag, changeAfter) => {
        await using server = await misbehavingServer({ 'a.bin': FILE }, { store, uses: 2, etag });
        let transferred = 0;
        const client = quickClient({
          // On a busy machine an answer may well take longer than 40 ms, and would be asked for twice.
          stallMs: 250,
          onTransfer: (bytes) => {
            transferred += bytes;
          },
        });
        const facts = await client.describe(server.url('a.bin'));
        server.inject(...faults);
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        let at = start;
        let changed = false;
        try {
          let chunks = 0;
          for await (const chunk of client.range(facts, start, end)) {
            // before anything else: nothing wrong is ever handed on
            if (Buffer.compare(chunk, FILE.subarray(at, at + chunk.length)) !== 0) throw new Error(`wrong from ${at}`);
            at += chunk.length;
            // only what has a validator can be told from another file of its size
            if (++chunks !== changeAfter || (etag !== 'strong' && !store)) continue;
            server.replace('a.bin', OTHER);
            changed = true;
          }
          expect(at).toBe(end);
          whole++;
        } catch (error) {
          if (!(error instanceof SourceError)) throw error;
          expect(at).toBeLessThanOrEqual(end);
        }
        // What a server sends although it was not asked to is all that is thrown away: the skipped beginning of a file
        // that came whole, and what stands in the buffers of a connection that is closed.
        const unasked = server.log.filter(({ fault: kind }) => kind === 'ignoreRange' || kind === 'long').length;
        expect(transferred - (at - start)).toBeLessThanOrEqual(unasked * (SIZE + (128 << 10)));
        // A server sends the whole of a file that has changed, until it sees that nobody listens.
        if (!changed) expect(server.served('good')).toBeLessThanOrEqual((end - start) * 1.1);
        await client.close();
      },
    ),
    { numRuns: 60 },
  );
  expect(whole).toBeGreaterThan(10);
}, 30_000);

it('chunks that arrive are right even when their connection is shared with other ranges', async () => {
  await using server = await misbehavingServer({ 'a.bin': FILE });
  const client = quickClient({ openRequests: 2 });
  const facts = await client.describe(server.url('a.bin'));
  server.inject({ kind: 'cut', after: 30_000, times: 3 }, { kind: 'chunked', after: 20_000, times: 3 });
  await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const [start, end] = [n * 10_000, n * 10_000 + 80_000];
      expect((await collect(client.range(facts, start, end))).equals(FILE.subarray(start, end))).toBe(true);
    }),
  );
  await client.close();
});
