import { fileURLToPath } from 'node:url';
import { definePipeline } from 'sluice';
import { embed, patch, pretokenize } from 'sluice/operators';
import { hypergraph, safetensors, signals } from 'sluice/sinks';
import { files } from 'sluice/sources';

const samples = fileURLToPath(new URL('../samples', import.meta.url));

export default definePipeline('quickstart', files(samples))
  .pipe(
    pretokenize(), // what is it? text, code, binary; bytes stay as they are
    embed(), // the byte-level language model: entropy and state of every byte
    patch({ threshold: 'auto' }), // a patch begins where the model is surprised
  )
  .to(safetensors('shards'), hypergraph('shards'), signals('shards'));
