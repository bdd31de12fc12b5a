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

/** Does splits that end as `endings` say, in their order, and then well; each as long as `during` takes. */
function recoveryOf(endings: (Error | undefined)[], during: () => Promise<unknown> = async () => {}, weights = 'f32') {
  const events: RunEvent[] = [];
  const devices: (string | undefined)[] = [];
  const atWork = { now: 0, most: 0 };
  const abort = new AbortController();
  const model = { ...pipeline.model, weights };
  const recovery = new DeviceRecovery({ ...pipeline, model }, (event) => events.push(event), abort.signal);
  const split = (id: string) =>
    recovery.run(id, async ({ model }, counts = {}): Promise<CommitRecord> => {
      devices.push(model?.device);
      const ending = endings.shift();
      atWork.most = Math.max(atWork.most, ++atWork.now);
      await during();
      atWork.now--;
      if (ending !== undefined) throw ending;
      return { split: id, artefacts: [], counts, rejects: 0 };
    });
  const told = () => events.map((event) => event.type === 'retried' && `${event.split} ${event.on}`);
  return { events, told, devices, split, abort, atWork };
}

describe('a split whose device is lost', () => {
  it('is done again on a fresh device', async () => {
    const { events, devices, split } = recoveryOf([lost]);
    expect(await split('00001')).toMatchObject({ counts: {} });
    expect(devices).toEqual(['webgpu', 'webgpu']);
    expect(events).toEqual([{ type: 'retried', split: '00001', on: 'device', reason: 'the driver fell over' }]);
  });

  it('is done on the CPU when that is lost as well, and its commit says so; the next split gets the device', async () => {
    const { told, devices, split } = recoveryOf([lost, lost]);
    expect(await split('00001')).toMatchObject({ counts: { [MOVED_TO_CPU]: 1 } });
    expect(await split('00002')).toMatchObject({ counts: {} });
    expect(devices).toEqual(['webgpu', 'webgpu', 'cpu', 'webgpu']);
    expect(told()).toEqual(['00001 device', '00001 cpu']);
  });

  it('is done on the CPU, as are all after it, where the device cannot be opened again', async () => {
    const { devices, split } = recoveryOf([lost, gone]);
    await split('00001');
    expect(await split('00002')).toMatchObject({ counts: { [MOVED_TO_CPU]: 1 } });
    expect(devices).toEqual(['webgpu', 'webgpu', 'cpu', 'cpu']);
  });

  it('is done on the CPU where the device has too little memory to be opened again', async () => {
    const { devices, split } = recoveryOf([lost, new ModelError('too little', { code: 'GPU_MEMORY' })]);
    expect(await split('00001')).toMatchObject({ counts: { [MOVED_TO_CPU]: 1 } });
    expect(devices).toEqual(['webgpu', 'webgpu', 'cpu']);
  });

  it('is not announced for the CPU where its weights had fewer bits: the run ends', async () => {
    const { told, devices, split } = recoveryOf([lost, lost], undefined, 'int8');
    await expect(split('00001')).rejects.toMatchObject({ code: 'NO_STAND_IN' });
    expect(devices).toEqual(['webgpu', 'webgpu']);
    expect(told()).toEqual(['00001 device']);
  });

  it('ends the run where the weights had fewer bits: the CPU could not stand in for them', () => {
    const standIn = { device: 'cpu', standsIn: true };
    expect(openOptions({}, standIn)).toMatchObject({ device: 'cpu', weights: 'f32' });
    for (const weights of ['int8', 'int4']) {
      expect(() => openOptions({ weights }, standIn)).toThrow(expect.objectContaining({ code: 'NO_STAND_IN' }));
    }
  });
});

describe('several splits whose device is lost', () => {
  const turn = () => new Promise(setImmediate);

  it('have the fresh one for themselves: only that which is to blame loses it again', async () => {
    // 1 and 2 are at work when 1 kills the device, and it does so again
    const { devices, split, told, atWork } = recoveryOf([lost, lost, lost], turn);
    const records = await Promise.all(['1', '2'].map(split));
    expect(records.map(({ counts }) => counts[MOVED_TO_CPU])).toEqual([1, undefined]);
    expect(devices.toSorted()).toEqual(['cpu', 'webgpu', 'webgpu', 'webgpu', 'webgpu']);
    expect(told().toSorted()).toEqual(['1 cpu', '1 device', '2 device']);
    expect(atWork.most).toBe(2);
  });

  it('all go to the CPU where it cannot be opened again, also one that begins meanwhile', async () => {
    const { devices, split, told } = recoveryOf([lost, lost, gone, gone], turn);
    const first = Promise.all(['1', '2'].map(split));
    await turn();
    const late = split('3');
    const records = [...(await first), await late];
    expect(records.map(({ counts }) => counts[MOVED_TO_CPU])).toEqual([1, 1, 1]);
    expect(devices.filter((device) => device === 'cpu').length).toBe(3);
    expect(told().toSorted()).toEqual(['1 cpu', '1 device', '2 cpu', '3 cpu']);
  });

  it('are not begun again in a run that was aborted', async () => {
    const { devices, split, abort, events } = recoveryOf([lost, lost], turn);
    const splits = ['1', '2'].map(split);
    abort.abort(new Error('enough'));
    for (const outcome of await Promise.allSettled(splits)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
    }
    expect([devices.length, events]).toEqual([2, []]);
  });

  it('that wait for their turn end when the run is aborted', async () => {
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const { devices, split, abort } = recoveryOf([lost, lost, lost], () => (devices.length < 3 ? turn() : finished));
    const splits = ['1', '2'].map(split);
    while (devices.length < 3) await turn();
    abort.abort(new Error('enough'));
    finish();
    const outcomes = await Promise.allSettled(splits);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(devices).toEqual(['webgpu', 'webgpu', 'webgpu']);
  });
});

describe('any other failure', () => {
  it.each([
    ['a device that cannot be had at all', gone],
    ['a device that never had enough memory', new ModelError('too little', { code: 'GPU_MEMORY' })],
    ['a wrong option', new PipelineError('no', { code: 'BAD_OPTION' })],
    ['an error of the program', new TypeError('undefined is not a function')],
  ])('goes through: %s', async (_, error) => {
    const { events, devices, split } = recoveryOf([error]);
    await expect(split('00001')).rejects.toBe(error);
    expect(devices).toEqual(['webgpu']);
    expect(events).toEqual([]);
  });
});
