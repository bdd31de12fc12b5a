import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DeviceProcess } from '../../../src/model/devices/deviceProcess.ts';
import { DO } from '../../fixtures/devices/fakeDeviceTokens.ts';
import { childProcesses } from '../../support/children.ts';

const main = fileURLToPath(new URL('../../fixtures/devices/fakeDevice.ts', import.meta.url));
const spec = { kind: 'onnx', provider: 'fake' } as const;
const opened: DeviceProcess[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((process) => process.close()));
  expect(childProcesses()).toEqual([]);
});

async function deviceOf(batchTokens = 10): Promise<DeviceProcess> {
  const { process } = await DeviceProcess.open(String(batchTokens), spec, { main, patienceMs: 300 });
  opened.push(process);
  return process;
}

interface PassOptions {
  readonly tokens?: number;
  readonly document?: number;
  readonly priority?: number;
  readonly carry?: boolean;
  readonly signal?: AbortSignal;
}

/** The number of the pass, and how many the device had in hand. */
async function pass(device: DeviceProcess, what: number, options: PassOptions = {}): Promise<[number, number]> {
  const { tokens = 5, document = 0, priority = 0, carry = false, signal } = options;
  const task = { tokens: new Int32Array(tokens).fill(what), position: 0, carry, preNorm: false, logits: false };
  const { entropies } = await device.pass(document, task, priority, signal);
  return [entropies[0]!, entropies[1]!];
}

describe('the process of a device', () => {
  it('answers whoever asked, in whatever order it is done', async () => {
    const device = await deviceOf();
    const slow = pass(device, DO.slowly);
    expect(await pass(device, DO.answer)).toEqual([1, 2]);
    expect(await slow).toEqual([0, 1]);
  });

  it('has three batches in hand, and two passes at the least; the smallest priority goes first', async () => {
    const device = await deviceOf(10);
    const most = async (tokens: number, count: number) => {
      const all = await Promise.all(Array.from({ length: count }, () => pass(device, DO.slowly, { tokens })));
      return Math.max(...all.map(([, inHand]) => inHand));
    };
    expect(await most(5, 12)).toBe(6);
    expect(await most(40, 5)).toBe(2);
    const priorities = [9, 8, 7, 1, 3, 2];
    const sent = await Promise.all(priorities.map((priority) => pass(device, DO.slowly, { tokens: 40, priority })));
    const order = priorities.toSorted((a, b) => sent[priorities.indexOf(a)]![0] - sent[priorities.indexOf(b)]![0]);
    expect(order).toEqual([9, 8, 1, 2, 3, 7]);
    expect(device.load).toBe(0);
  });

  it('is not sent a pass that nobody waits for any more', async () => {
    const device = await deviceOf(1);
    const abort = new AbortController();
    const first = [pass(device, DO.slowly), pass(device, DO.slowly)];
    const stopped = pass(device, DO.answer, { signal: abort.signal });
    const next = pass(device, DO.answer);
    abort.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    await Promise.all(first);
    expect((await next)[0]).toBe(2);
  });

  it('is told to forget documents that it holds something of, and no others', async () => {
    const device = await deviceOf();
    await pass(device, DO.answer, { document: 1, carry: true });
    await pass(device, DO.answer, { document: 2, carry: true });
    await pass(device, DO.answer, { document: 2 });
    await pass(device, DO.answer, { document: 3 });
    for (const document of [1, 2, 3, 4, 1]) device.forget(document);
    expect((await device.times()).device).toBe('1');
  });

  it('works on where one pass fails by its own fault', async () => {
    const device = await deviceOf();
    const [refused, slow] = await Promise.allSettled([pass(device, DO.refuse), pass(device, DO.slowly)]);
    expect(refused).toMatchObject({ reason: { name: 'ModelError', code: 'MODEL_NOT_FINITE' } });
    expect(slow.status).toBe('fulfilled');
    expect(device.lost).toBeUndefined();
  });
});

describe('the process of a device that is lost', () => {
  it.each([
    ['fails', DO.fail, 'the driver fell over'],
    ['ends', DO.die, 'exit code 3'],
  ])('because it %s: passes in hand, those that wait, and all after them fail', async (_, what, reason) => {
    const device = await deviceOf(1);
    const passes = [pass(device, DO.slowly), pass(device, what), pass(device, DO.answer), device.times()];
    for (const outcome of await Promise.allSettled(passes)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'ModelError', code: 'DEVICE_LOST' } });
      expect(outcome).toMatchObject({ reason: { message: expect.stringContaining(reason) } });
    }
    expect([device.lost?.code, device.load]).toEqual(['DEVICE_LOST', 0]);
    await expect(pass(device, DO.answer)).rejects.toThrow(reason);
    device.forget(0);
    await vi.waitUntil(() => childProcesses().length === 0);
  });

  it('is lost where it hangs with work in hand and nobody closes it', async () => {
    const { process } = await DeviceProcess.open('10', spec, { main, patienceMs: 100, answerMs: 400 });
    opened.push(process);
    await expect(pass(process, DO.hang)).rejects.toMatchObject({
      code: 'DEVICE_LOST',
      message: expect.stringContaining('no answer for 0.4 seconds'),
    });
  });

  it('is killed where it hangs, whether it is closed or left alone', async () => {
    const [left, closed] = [await deviceOf(), await deviceOf()];
    await expect(pass(left, DO.failAndHang)).rejects.toMatchObject({ code: 'DEVICE_LOST' });
    const hanging = pass(closed, DO.hang);
    await Promise.all([closed.close(), expect(hanging).rejects.toThrow('it was closed')]);
    await vi.waitUntil(() => childProcesses().length === 0);
  });

  it('keeps nobody from ending who has it no more in hand, and does not stay behind', async () => {
    const program = `
      import { DeviceProcess } from ${JSON.stringify(new URL('../../../src/model/devices/deviceProcess.ts', import.meta.url).href)};
      const { process: device } = await DeviceProcess.open('10', ${JSON.stringify(spec)}, { main: ${JSON.stringify(main)} });
      const pass = (what) => device.pass(0, { tokens: Int32Array.of(what), position: 0, carry: false }, 0).catch(({ code }) => code);
      console.log((await Promise.all([pass(${DO.failAndHang}), pass(${DO.slowly})])).join(' '));`;
    const begun = performance.now();
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=sluice-source', '--input-type=module', '-e', program],
      { timeout: 8000 },
    );
    expect(stdout.trim()).toBe('DEVICE_LOST DEVICE_LOST');
    expect(performance.now() - begun).toBeLessThan(6000);
  });

  it('says why it could not be opened', async () => {
    await expect(DeviceProcess.open('die', spec, { main })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringContaining('exit code 4'),
    });
  });
});
