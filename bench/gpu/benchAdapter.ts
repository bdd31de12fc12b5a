import type { AdapterChoice } from '../../src/gpu/index.ts';
import { testAdapter } from '../../test/support/gpu.ts';
import { useSwiftshader } from '../../test/support/swiftshader.ts';

/** The adapter that `SLUICE_ADAPTER` names, by default the machine's GPU, or else a software adapter. */
export async function benchAdapter(): Promise<AdapterChoice> {
  const name = process.env['SLUICE_ADAPTER'];
  if (name === undefined || name === 'hardware') return name ?? testAdapter();
  if (name !== 'software') return { name };
  await useSwiftshader();
  return name;
}
