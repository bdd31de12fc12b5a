import path from 'node:path';
import { WEBDATASET_FORMAT, WEBDATASET_INDEX_FORMAT } from '../../formats/names.ts';
import { canonicalJson, type JsonValue } from '../../json.ts';
import type { JobStage } from '../../run/jobStage.ts';
import { artefactsOf } from '../gatherFiles.ts';

/**
 * Lists the shards of all splits, by name: `<dir>/sizes.json` with the samples of each, as training code reads them, and
 * `<dir>/index.json` in the form of the index that the `wids` readers of the webdataset package open.
 */
export function indexStage(dir: string, name: string): JobStage {
  const sizes = `${dir}/sizes.json`;
  const index = `${dir}/index.json`;
  return {
    name: `${dir}/index`,
    holds: 4 << 20,
    files: [sizes, index],
    tasks: async () => ['0'],
    async run(context) {
      const shards = artefactsOf(context, dir, WEBDATASET_FORMAT).map(({ path: file, bytes, info }) => ({
        url: path.posix.basename(file),
        nsamples: typeof info['samples'] === 'number' ? info['samples'] : 0,
        filesize: bytes,
      }));
      shards.sort((a, b) => (a.url < b.url ? -1 : 1));
      const samples = shards.reduce((sum, { nsamples }) => sum + nsamples, 0);
      const publish = async (target: string, value: JsonValue): Promise<void> => {
        const file = await context.file(target);
        await file.write(Buffer.from(`${canonicalJson(value, 1)}\n`));
        await file.publish({ format: WEBDATASET_INDEX_FORMAT, shards: shards.length, samples });
      };
      await publish(sizes, Object.fromEntries(shards.map(({ url, nsamples }) => [url, nsamples])));
      await publish(index, { __kind__: 'wids-shard-index-v1', wids_version: 1, name, shardlist: shards });
      return { shards: shards.length, samples };
    },
  };
}
