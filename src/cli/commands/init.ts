import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { OutputError } from '../../errors.ts';
import { packageRoot, version } from '../../run/version.ts';
import { selfCommand } from '../values.ts';

/** How a project reaches sluice: an installed package by its name, a checkout by its path. */
function reach(root: string): { command: string; dependency: string } {
  if (selfCommand === 'sluice') return { command: 'sluice', dependency: `^${version}` };
  const checkout = path.relative(root, fileURLToPath(packageRoot)).replaceAll(path.sep, '/');
  return { command: `node ${checkout}/bootstrap.mjs src/cli/main.ts`, dependency: `file:${checkout}` };
}

const files = (name: string, { command, dependency }: ReturnType<typeof reach>): Record<string, string> => ({
  'package.json': `${JSON.stringify(
    {
      name,
      private: true,
      type: 'module',
      engines: { node: '>=22.18' },
      scripts: { start: `${command} run first`, plan: `${command} plan first`, verify: `${command} verify out/first` },
      dependencies: { rxjs: '^7.8.2', sluice: dependency, zod: '^4.0.0' },
    },
    undefined,
    2,
  )}\n`,
  'tsconfig.json': `${JSON.stringify(
    {
      compilerOptions: {
        target: 'es2024',
        module: 'nodenext',
        strict: true,
        noEmit: true,
        erasableSyntaxOnly: true,
        verbatimModuleSyntax: true,
        allowImportingTsExtensions: true,
        skipLibCheck: true,
      },
      include: ['pipelines'],
    },
    undefined,
    2,
  )}\n`,
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
        await mkdir(path.dirname(file), { recursive: true });
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
