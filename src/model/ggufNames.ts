/** Parts of released tensor names, and what the `llama` architecture of GGUF calls them. */
const layerParts: Readonly<Record<string, string>> = {
  'attention_norm.weight': 'attn_norm.weight',
  'attention.wq.weight': 'attn_q.weight',
  'attention.wk.weight': 'attn_k.weight',
  'attention.wv.weight': 'attn_v.weight',
  'attention.wo.weight': 'attn_output.weight',
  'ffn_norm.weight': 'ffn_norm.weight',
  'feed_forward.w1.weight': 'ffn_gate.weight',
  'feed_forward.w3.weight': 'ffn_up.weight',
  'feed_forward.w2.weight': 'ffn_down.weight',
};

const others: Readonly<Record<string, string>> = {
  'tok_embeddings.weight': 'token_embd.weight',
  'norm.weight': 'output_norm.weight',
  'output.weight': 'output.weight',
};

/**
 * The GGUF name of a tensor of the released layout: `layers.3.attention.wq.weight` is `blk.3.attn_q.weight`. Rows stay as
 * they are: both rotate adjacent pairs of a head. Throws RangeError for a name that the layout does not have.
 */
export function ggufName(name: string): string {
  const [, layer, part] = /^layers\.(\d+)\.(.+)$/.exec(name) ?? [];
  const found = part === undefined ? others[name] : layerParts[part];
  if (found === undefined) throw new RangeError(`${name} is no tensor of the released layout.`);
  return layer === undefined ? found : `blk.${layer}.${found}`;
}
