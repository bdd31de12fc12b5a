import { describe, expect, it } from 'vitest';
import { ModelError, PipelineError } from '../../src/errors.ts';
import { openOptions } from '../../src/model/openOptions.ts';
import type { CommitRecord } from '../../src/run/commitRecord.ts';
import type { Pipeline } from '../../src/run/definition.ts';
import { DeviceRecovery, MOVED_TO_CPU } from '../../src/run/deviceRecovery.ts';
import type { RunEvent } from '../../src/run/run.ts';

const lost = new ModelError('the driver fell over', { code: 'DEVICE_LOST' });
const gone = new ModelError('no such device', { code: 'DEVICE_UNAVAILABLE' });
const pipeline = { name: 'p', model: { device: 'webgpu', profile: true } } as Partial<Pipeline> as Pipeline;

/** Does splits that end as `endings` say, in their order, and then well. */
function recoveryOf(...endings: Error[]) {
  const events: RunEvent[] = [];
  const devices: (string | undefined)[] = [];
  const recovery = new DeviceRecovery(pipeline, (event) => events.push(event));
  const split = (id: string) =>
    recovery.run(id, async ({ model }, counts = {}): Promise<CommitRecord> => {
      devices.push(model?.device);
      const ending = endings.shift();
      if (ending !== undefined) throw ending;
      return { split: id, artefacts: [], counts, rejects: 0 };
    });
  return { events, devices, split };
}

describe('a split whose device is lost', () => {
  it('is done again on a fresh device', async () => {
    const { events, devices, split } = recoveryOf(lost);
    expect(await split('00001')).toMatchObject({ counts: {} });
    expect(devices).toEqual(['webgpu', 'webgpu']);
    expect(events).toEqual([{ type: 'retried', split: '00001', on: 'device', reason: 'the driver fell over' }]);
  });

  it('is done on the CPU when that is lost as well, and its commit says so; the next split gets the device', async () => {
    const { events, devices, split } = recoveryOf(lost, lost);
    expect(await split('00001')).toMatchObject({ counts: { [MOVED_TO_CPU]: 1 } });
    expect(await split('00002')).toMatchObject({ counts: {} });
    expect(devices).toEqual(['webgpu', 'webgpu', 'cpu', 'webgpu']);
    expect(events.map((event) => event.type === 'retried' && event.on)).toEqual(['device', 'cpu']);
  });

  it('is done on the CPU, as are all after it, where the device cannot be opened again', async () => {
    const { devices, split } = recoveryOf(lost, gone);
    await split('00001');
    expect(await split('00002')).toMatchObject({ counts: { [MOVED_TO_CPU]: 1 } });
    expect(devices).toEqual(['webgpu', 'webgpu', 'cpu', 'cpu']);
  });

  it('ends the run where the weights had fewer bits: the CPU could not stand in for them', () => {
    const standIn = { device: 'cpu', standsIn: true };
    expect(openOptions({}, standIn)).toMatchObject({ device: 'cpu', weights: 'f32' });
    for (const weights of ['int8', 'int4']) {
      expect(() => openOptions({ weights }, standIn)).toThrow(expect.objectContaining({ code: 'NO_STAND_IN' }));
    }
  });
});

describe('any other failure', () => {
  it.each([
    ['a device that cannot be had at all', gone],
    ['a wrong option', new PipelineError('no', { code: 'BAD_OPTION' })],
    ['an error of the program', new TypeError('undefined is not a function')],
  ])('goes through: %s', async (_, error) => {
    const { events, devices, split } = recoveryOf(error);
    await expect(split('00001')).rejects.toBe(error);
    expect(devices).toEqual(['webgpu']);
    expect(events).toEqual([]);
  });
});
