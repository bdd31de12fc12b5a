import { fileURLToPath } from 'node:url';
import { definePipeline } from 'sluice';
import { dedup, embed, patch, pretokenize, similarityBatch } from 'sluice/operators';
import { hypergraph, safetensors, signals } from 'sluice/sinks';
import { files } from 'sluice/sources';

const samples = fileURLToPath(new URL('../samples', import.meta.url));

export default definePipeline('quickstart', files(samples))
  .pipe(
    pretokenize(), // what is it? text, code, pixels, samples, pages: segments of bytes, and where they come from
    dedup({ threshold: 0.8 }), // drops what is like a document before it in the split; each is verified and listed
    similarityBatch({ maxBytes: 64 << 10 }), // alike documents, and those of like length, follow each other
    embed(), // the byte-level language model: entropy and state of every byte
    patch({ threshold: 'auto' }), // a patch begins where the model is surprised
  )
  .to(safetensors('shards'), hypergraph('shards'), signals('shards'));
