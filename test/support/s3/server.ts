import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { onTestFinished } from 'vitest';
import type { S3Options } from '../../../src/storage/s3/options.ts';

/** A real S3 server on loopback, behind a line that can be cut. */
export interface S3Server {
  readonly options: S3Options;
  put(key: string, bytes: Uint8Array | string): Promise<void>;
  /** Cuts each of the next connections after this many bytes from the server. */
  cutAfter(...bytes: number[]): void;
  /** Bytes that the server has sent. */
  readonly sent: () => number;
}

/** Starts a server with the bucket `bucket`; credentials are set in the environment until the test ends. */
export async function startS3(): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-s3-'));
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    configureBuckets: [{ name: 'bucket' }],
  });
  const { port } = await server.run();
  const cuts: number[] = [];
  const sockets = new Set<Socket>();
  let sent = 0;
  const line = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      const passed = chunk.subarray(0, left);
      sent += passed.length;
      left -= passed.length;
      client.write(passed, () => {
        if (left === 0) client.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  const address = line.address();
  const outside = typeof address === 'object' ? address?.port : undefined;
  const endpoint = `http://127.0.0.1:${outside}`;
  const before = { ...process.env };
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' });
  const client = new S3Client({ endpoint, forcePathStyle: true, region: 'us-east-1' });
  onTestFinished(async () => {
    process.env = before;
    client.destroy();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => line.close(resolve));
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return {
    options: { endpoint },
    async put(key, bytes) {
      await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: key, Body: Buffer.from(bytes) }));
    },
    cutAfter: (...bytes) => cuts.push(...bytes),
    sent: () => sent,
  };
}
