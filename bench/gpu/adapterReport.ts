/**
 * Prints the adapter, its features and limits, and what options of Dawn change about them: `adapterReport.ts [part of a
 * name]`. Exit code 1 where there is no adapter of that name.
 */
import { DeviceError } from '../../src/errors.ts';
import { describeVariant, findAdapter, Gpu, listAdapters } from '../../src/gpu/index.ts';

const DAWN = [
  [],
  ['enable-dawn-features=vulkan_enable_f16_on_nvidia'],
  ['enable-dawn-features=allow_unsafe_apis'],
  ['enable-dawn-features=vulkan_enable_f16_on_nvidia,allow_unsafe_apis'],
];

const name = process.argv[2];
const choice = name === undefined ? 'hardware' : { name };

/** Features and limits, sorted, as lines. */
function linesOf(adapter: GPUAdapter, language: ReadonlySet<string>): string[] {
  const features = [...adapter.features].map((feature) => `feature ${feature}`);
  const words = [...language].map((feature) => `wgsl ${feature}`);
  const limits: string[] = [];
  // limits are getters of the prototype
  for (const limit in adapter.limits) {
    const value = Reflect.get(adapter.limits, limit);
    if (typeof value === 'number') limits.push(`${limit} ${value}`);
  }
  return [...features.sort(), ...words.sort(), ...limits.sort()];
}

try {
  console.log(`adapters: ${(await listAdapters()).join(', ') || 'none'}`);
  let plain: string[] | undefined;
  for (const dawn of DAWN) {
    const { adapter, info, language } = await findAdapter(choice, dawn);
    const lines = linesOf(adapter, language);
    if (plain === undefined) {
      const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
      console.log(
        `${info.name}: ${JSON.stringify({ vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize })}`,
      );
      console.log(lines.map((line) => `  ${line}`).join('\n'));
    } else {
      const more = lines.filter((line) => !plain?.includes(line));
      console.log(`with ${dawn.join(' ')}: ${more.join(', ') || 'nothing more'}`);
    }
    plain ??= lines;
    const gpu = await Gpu.open({ adapter: choice, dawn });
    console.log(`variant${dawn.length === 0 ? '' : ` with ${dawn.join(' ')}`}: ${describeVariant(gpu.variant)}`);
    gpu.close();
  }
} catch (error) {
  if (!(error instanceof DeviceError)) throw error;
  console.log(`${error.code}: ${error.message} ${error.hint ?? ''}`);
  process.exitCode = 1;
}
