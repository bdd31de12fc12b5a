import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PipelineError, SluiceError, UsageError } from '../errors.ts';
import { isDefinition, type Pipeline, type PipelineTemplate } from '../run/definition.ts';
import { packageRoot } from '../run/version.ts';
import { didYouMean } from '../suggest.ts';

export interface LoadedPipeline {
  readonly definition: Pipeline | PipelineTemplate;
  readonly file: string;
  /** SHA-256 of the file: the part of a run's digest that stands for the functions in it. */
  readonly sha256: string;
}

/** Pipeline files outside of any project may import `sluice`, `rxjs` and `zod` all the same: they get this copy's. */
function lendPackages(): void {
  const lent = /^(sluice|rxjs|zod)(\/|$)/;
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!lent.test(specifier)) throw error;
        return next(specifier, { ...context, parentURL: new URL('src/index.ts', packageRoot).href });
      }
    },
  });
}

/**
 * Loads a pipeline by the path of its file, or by name from `pipelines/` here or in the package.
 * @throws UsageError when there is none, with the nearest name
 * @throws PipelineError when the file exports no pipeline, or cannot be loaded
 */
export async function loadPipeline(nameOrPath: string): Promise<LoadedPipeline> {
  const file = await find(nameOrPath);
  lendPackages();
  const content = await readFile(file);
  const loaded = (await import(pathToFileURL(file).href).catch((error: Error) => {
    // An option that the definition itself refuses says what is wrong better than the import can.
    if (error instanceof SluiceError) throw error;
    throw new PipelineError(`the pipeline file cannot be loaded: ${error.message}`, {
      code: 'LOAD_FAILED',
      path: file,
      hint: 'the error above is what Node says when it imports the file',
      cause: error,
    });
  })) as { default?: unknown };
  if (!isDefinition(loaded.default)) {
    throw new PipelineError('the file has no pipeline as its default export', {
      code: 'NO_PIPELINE',
      path: file,
      hint: "write `export default definePipeline('name', source).pipe(...).to(...)`",
    });
  }
  return { definition: loaded.default, file, sha256: createHash('sha256').update(content).digest('hex') };
}

async function find(nameOrPath: string): Promise<string> {
  const direct = path.resolve(nameOrPath);
  if (/\.[mc]?[jt]s$/.test(nameOrPath) || /[/\\]/.test(nameOrPath)) {
    if (existsSync(direct)) return direct;
    throw new UsageError(`there is no pipeline file ${nameOrPath}`, { code: 'NO_SUCH_FILE', path: direct });
  }
  const own = fileURLToPath(new URL('pipelines', packageRoot));
  const folders = [path.resolve('pipelines'), own];
  // Node strips no types from what is installed: there they have been compiled
  const compiled = /[\\/]node_modules[\\/]/.test(own);
  const names = new Set<string>();
  for (const folder of folders) {
    for (const extension of folder === own && compiled ? ['.js'] : ['.ts', '.mts', '.js', '.mjs']) {
      const file = path.join(folder, nameOrPath + extension);
      if (existsSync(file)) return file;
    }
    for (const name of await readdir(folder).catch(() => [])) names.add(path.parse(name).name);
  }
  throw new UsageError(`there is no pipeline '${nameOrPath}'`, {
    code: 'NO_SUCH_PIPELINE',
    hint: didYouMean(nameOrPath, [...names].sort()),
  });
}
