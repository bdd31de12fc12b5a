import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const read = (file: string): Promise<string> => readFile(path.join(root, file), 'utf8');
const manifest = JSON.parse(await read('package.json'));
const lock = JSON.parse(await read('package-lock.json'));

async function sources(...folders: string[]): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(path.join(root, folder), { recursive: true });
      return names.filter((name) => /\.(ts|mjs|js|py|md|json)$/.test(name)).map((name) => `${folder}/${name}`);
    }),
  );
  return found.flat();
}

describe('package.json', () => {
  it('asks for a Node that strips types and has Zstandard, and the bootstrap asks for the same', async () => {
    expect(manifest.engines.node).toBe('>=22.18');
    expect(await read('bootstrap.mjs')).toContain('FLOOR = [22, 18]');
  });

  it('pins every package exactly, and leaves rxjs to the user', () => {
    const all = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
    // DuckDB numbers the releases of its bindings behind its own.
    for (const [name, wanted] of Object.entries(all)) expect(wanted, name).toMatch(/^\d+\.\d+\.\d+(-r\.\d+)?$/);
    expect(manifest.dependencies.rxjs).toBeUndefined();
    expect(manifest.peerDependencies.rxjs).toBe('^7.8.2');
  });

  it('never lets the install script of onnxruntime-node download', async () => {
    expect(manifest.allowScripts['onnxruntime-node']).toBe(false);
    expect(await read('.npmrc')).toContain('onnxruntime-node-install=skip');
  });

  it('keeps native packages optional', () => {
    const native = ['onnxruntime-node', 'better-sqlite3', 'webgpu'];
    for (const name of native) expect(manifest.dependencies[name]).toBeUndefined();
  });

  it('exports files that exist', () => {
    for (const [entry, target] of Object.entries<Record<string, string>>(manifest.exports)) {
      expect(existsSync(path.join(root, target['sluice-source'] ?? '')), entry).toBe(true);
    }
  });
});

describe('package-lock.json', () => {
  it('belongs to package.json', () => {
    const { dependencies, optionalDependencies, devDependencies } = lock.packages[''];
    expect(dependencies).toEqual(manifest.dependencies);
    expect(optionalDependencies).toEqual(manifest.optionalDependencies);
    expect(devDependencies).toEqual(manifest.devDependencies);
  });

  it('names no registry and holds every optional package of every platform', () => {
    for (const [where, entry] of Object.entries<Record<string, unknown>>(lock.packages)) {
      expect(entry['resolved'], where).toBeUndefined();
      if (where === '') continue;
      for (const name of Object.keys((entry['optionalDependencies'] ?? {}) as object)) {
        const nested = lock.packages[`${where}/node_modules/${name}`];
        expect(
          nested ?? lock.packages[`node_modules/${name}`],
          `${name}: run node tools/lock/complete.mjs`,
        ).toBeDefined();
      }
    }
  });
});

describe('the sources', () => {
  it('name no absolute path of a machine', async () => {
    for (const file of await sources('src', 'pipelines', 'bench', 'docs', 'tools')) {
      expect(await read(file), file).not.toMatch(/(^|[\s'"`(])\/(home|root|work|Users)\//);
    }
  });

  it('have no file beyond 320 lines', async () => {
    for (const file of await sources('src')) {
      expect((await read(file)).split('\n').length, file).toBeLessThanOrEqual(320);
    }
  });

  it('have no switched-off checks and no unfinished marks', async () => {
    for (const file of (await sources('src')).filter((name) => name.endsWith('.ts'))) {
      const text = await read(file);
      expect(text, file).not.toMatch(/@ts-(ignore|expect-error|nocheck)/);
      expect(text, file).not.toMatch(/\b(TODO|FIXME|XXX)\b/);
    }
  });
});

describe.each(['operators', 'sources', 'sinks'])('every file in src/%s', (folder) => {
  const contracts = new Set(['source', 'sink', 'index']);

  it('is exported by the index under its own name and has a test, or serves one that is', async () => {
    const index = await read(`src/${folder}/index.ts`);
    const names = (await readdir(path.join(root, 'src', folder)))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.slice(0, -3));
    const texts = new Map<string, string>();
    for (const name of names) texts.set(name, await read(`src/${folder}/${name}.ts`));
    const exported = names.filter(
      (name) => new RegExp(`\\b${name}\\b[^;]*from '\\./${name}\\.ts'`).test(index) && !contracts.has(name),
    );
    expect(exported.length).toBeGreaterThan(2);
    for (const name of exported) {
      const tests = [`test/${folder}/${name}.test.ts`, `test/${folder}/${name}`];
      expect(
        tests.some((test) => existsSync(path.join(root, test))),
        `${folder}/${name} has no test`,
      ).toBe(true);
    }
    const served = names.filter((name) =>
      [...texts].some(
        ([other, text]) => other !== name && other !== 'index' && new RegExp(`'\\./${name}(\\.ts)?'`).test(text),
      ),
    );
    const forgotten = names.filter(
      (name) => !exported.includes(name) && !served.includes(name) && !contracts.has(name),
    );
    expect(forgotten, 'neither exported by the index nor used by a neighbour').toEqual([]);
  });
});

describe('every kernel in src/kernels', async () => {
  const index = await read('src/kernels/index.ts');
  const described = await Promise.all(
    [...index.matchAll(/from '\.\/([^']+\/[^']+)'/g)].map(async ([, file = '']) => ({
      file,
      text: await read(`src/kernels/${file}`),
    })),
  );
  const kernels = described.filter(({ text }) => /\bkernel\(\{/.test(text)).map(({ file }) => file);
  /** What only moves keys has nothing to be fused with. */
  const notMeasured = new Set(['carryKeys', 'turnKeys']);

  it('is found', () => expect(kernels.length).toBeGreaterThan(15));

  it.each(kernels)('has WGSL, an oracle, a test and a bench row: %s', async (file) => {
    const [folder = '', name = ''] = file.replace('.ts', '').split('/');
    const beside = await readdir(path.join(root, 'src/kernels', folder));
    expect(beside.some((one) => one.endsWith('.wgsl.ts'))).toBe(true);
    const test = [`test/kernels/${name}.test.ts`, `test/kernels/${folder}.test.ts`, `test/kernels/${folder}`].find(
      (one) => existsSync(path.join(root, one)),
    );
    expect(test, 'no test').toBeDefined();
    if (notMeasured.has(name)) return;
    const bench = [`bench/kernels/${name}.ts`, `bench/kernels/${folder}.ts`].find((one) =>
      existsSync(path.join(root, one)),
    );
    expect(bench, 'no bench row').toBeDefined();
  });
});
