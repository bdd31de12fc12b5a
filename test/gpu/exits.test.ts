import { expect, it } from 'vitest';
import { EXIT_SCENARIOS } from '../../tools/soak/exitScenarios.ts';
import { exitTable, soakExits } from '../../tools/soak/exits.ts';
import { swiftshader } from '../support/swiftshader.ts';

it('a process that uses a GPU ends as it would without, however it comes to its end', async () => {
  const { env, remove } = await swiftshader();
  const counts = await soakExits(2 * EXIT_SCENARIOS.length, { adapter: 'software', env });
  await remove();
  expect(counts.map(({ scenario, runs, right, example }) => ({ of: scenario.name, runs, right, example }))).toEqual(
    EXIT_SCENARIOS.map(({ name }) => ({ of: name, runs: 2, right: 2, example: undefined })),
  );
  expect(exitTable(counts).at(-1)).toMatch(/^all +38 +38 +0 +0$/);
});
