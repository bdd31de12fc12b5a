import { registerHooks } from 'node:module';
import { onTestFinished } from 'vitest';

/** As if a package had not been installed, for what a test loads for the first time. */
export function withoutPackage(name: string): void {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.includes(name)) return next(specifier, context);
      throw Object.assign(new Error(`Cannot find package '${name}'`), { code: 'ERR_MODULE_NOT_FOUND' });
    },
  });
  onTestFinished(() => hooks.deregister());
}
