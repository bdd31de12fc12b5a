import { profileRows, profileTable } from '../gpu/profileTable.ts';
import type { DeviceTimes } from '../model/index.ts';
import { jsonLine } from './progress/reporters.ts';

/** Prints the times of all kernels of each device: a table for people, or one JSON object for each device. */
export function showProfile(times: readonly DeviceTimes[], json: boolean): void {
  for (const { device, kernels, ceilings } of times) {
    if (json) jsonLine({ event: 'profile', device, ceilings, kernels: profileRows(kernels, ceilings) });
    else process.stderr.write(`\n${[device, ...profileTable(kernels, ceilings)].join('\n')}\n`);
  }
}
