/**
 * Adds to package-lock.json the optional packages of other platforms that a registry did not offer when the lock file
 * was made, so that `npm ci` accepts it everywhere. Run it after `npm install`:  node tools/lock/complete.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'sunos', 'aix'];
const processors = ['arm64', 'x64', 'ia32', 'arm', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el'];
const file = new URL('../../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
let added = 0;
for (const [where, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${where}/node_modules/${name}`;
    const top = `node_modules/${name}`;
    if (where === '' || lock.packages[nested] !== undefined || lock.packages[top] !== undefined) continue;
    const words = name.split(/[/-]/);
    const os = systems.filter((s) => words.includes(s));
    const cpu = processors.filter((p) => words.includes(p));
    const libc = words.some((w) => w.startsWith('musl'))
      ? ['musl']
      : words.some((w) => w.startsWith('gnu'))
        ? ['glibc']
        : undefined;
    if (os.length === 0 && !words.includes('wasm32')) throw new Error(`which platform is ${name} for?`);
    lock.packages[top] = {
      version: range.replace(/^[\^~]/, ''),
      cpu: cpu.length === 0 ? ['wasm32'] : cpu,
      ...(entry.dev ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc }),
      optional: true,
      ...(os.length === 0 ? {} : { os }),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} packages of other platforms added\n`);
