import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { OutputError } from '../../errors.ts';
import { makeFolder } from '../../run/makeFolder.ts';
import { packageRoot, version } from '../../run/version.ts';
import { selfCommand } from '../values.ts';

/** How a project reaches sluice. */
interface Reach {
  readonly command: string;
  readonly types: string;
  readonly packages: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly tsconfig: Readonly<Record<string, unknown>>;
}

/** An installed package is reached by its name and has declarations; a checkout is reached by its path and has its source. */
function reach(root: string): Reach {
  const shared = { rxjs: '^7.8.2', zod: '^4.0.0' };
  if (selfCommand === 'sluice') {
    return {
      command: 'sluice',
      types: 'tsc',
      packages: {
        dependencies: { rxjs: shared.rxjs, sluice: `^${version}`, zod: shared.zod },
        devDependencies: { '@types/node': '^24.0.0', typescript: '^7.0.0' },
      },
      tsconfig: {
        compilerOptions: {
          target: 'es2024',
          module: 'nodenext',
          types: ['node'],
          strict: true,
          noEmit: true,
          erasableSyntaxOnly: true,
          verbatimModuleSyntax: true,
          allowImportingTsExtensions: true,
          skipLibCheck: true,
        },
        include: ['pipelines'],
      },
    };
  }
  const relative = path.relative(root, fileURLToPath(packageRoot)).replaceAll(path.sep, '/') || '.';
  const checkout = relative.startsWith('.') ? relative : `./${relative}`;
  const modules = `${checkout}/node_modules`;
  return {
    command: `node ${checkout}/bootstrap.mjs src/cli/main.ts`,
    types: `node ${checkout}/bootstrap.mjs node_modules/typescript/bin/tsc`,
    packages: { dependencies: { rxjs: shared.rxjs, sluice: `file:${checkout}`, zod: shared.zod } },
    tsconfig: {
      // The source is checked along with the project, so its options and the types of its packages are the project's.
      extends: `${checkout}/tsconfig.json`,
      compilerOptions: {
        types: [`${modules}/@types/node`, `${modules}/@webgpu/types`],
        paths: {
          sluice: [`${checkout}/src/index.ts`],
          'sluice/*': [`${checkout}/src/*/index.ts`],
          // the files that the source's own imports resolve to: to ECMAScript modules, paths of folders lead nowhere
          rxjs: [`${modules}/rxjs/dist/types/index.d.ts`],
          zod: [`${modules}/zod/index.d.cts`],
        },
      },
      include: ['pipelines', `${checkout}/src/webassembly.d.ts`],
    },
  };
}

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

const files = (name: string, { command, types, packages, tsconfig }: Reach): Record<string, string> => ({
  'package.json': json({
    name,
    private: true,
    type: 'module',
    engines: { node: '>=22.18' },
    scripts: {
      start: `${command} run first`,
      plan: `${command} plan first`,
      verify: `${command} verify out/first`,
      types,
    },
    ...packages,
  }),
  'tsconfig.json': json(tsconfig),
  '.gitignore': 'node_modules/\nout/\n',
  'pipelines/first.ts': `import { definePipeline } from 'sluice';
import { embed, patch, pretokenize } from 'sluice/operators';
import { hypergraph, safetensors } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { z } from 'zod';

const parameters = z.object({
  input: z.string().default('data').describe('file, folder or pattern to read'),
});

export default definePipeline('first', parameters, ({ input }) =>
  definePipeline('first', files(input))
    .pipe(pretokenize(), embed(), patch({ threshold: 'auto' }))
    .to(safetensors('shards'), hypergraph('shards')),
);
`,
  'data/hello.txt':
    'Put the files you want to read here. Every one of them becomes a document, cut into entropy patches.\n',
});

export function initCommand(): Command {
  return new Command('init')
    .argument('<dir>', 'folder to make; it must be new or empty of these files')
    .description('scaffold a pipeline project')
    .action(async (dir: string) => {
      const root = path.resolve(dir);
      const name = path
        .basename(root)
        .toLowerCase()
        .replace(/[^a-z0-9-]/g, '-');
      for (const [relative, content] of Object.entries(files(name, reach(root)))) {
        const file = path.join(root, relative);
        await makeFolder(path.dirname(file));
        await writeFile(file, content, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
          throw new OutputError(`cannot write ${relative}: ${error.message}`, {
            code: error.code === 'EEXIST' ? 'EXISTS' : (error.code ?? 'EIO'),
            path: file,
            hint: 'nothing is ever overwritten: name a new folder',
            cause: error,
          });
        });
        process.stderr.write(`wrote ${path.join(dir, relative)}\n`);
      }
      process.stderr.write(`\nnext:  cd ${dir}\n       npm start\n`);
    });
}
