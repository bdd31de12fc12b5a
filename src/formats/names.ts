/** Names of the formats that an output is made of, as `info.format` of artefacts and `__metadata__.format` say them. */
export const PATCHES_FORMAT = 'blt_patches_v3';
/** The same where at least one float32 tensor is left out, and its quantized parts are there. */
export const QUANTIZED_PATCHES_FORMAT = 'blt_patches_v3_quantized';
export const SIGNALS_FORMAT = 'sluice_signals_v1';
export const QUANTIZED_SIGNALS_FORMAT = 'sluice_signals_v1_quantized';
export const SIDECAR_FORMAT = 'hypergraph_v3';
export const CORPUS_FORMAT = 'hypergraph_corpus_v3';
export const DOCUMENTS_FORMAT = 'sluice_documents_v1';
export const PARQUET_DOCUMENTS_FORMAT = 'sluice_documents_parquet_v1';
export const REJECTS_FORMAT = 'sluice_rejects_v1';
export const DUPLICATES_FORMAT = 'sluice_duplicates_v1';
export const DEDUP_REPORT_FORMAT = 'sluice_dedup_report_v1';
export const NPZ_FORMAT = 'sluice_npz_v1';
export const PATCHES_JSONL_FORMAT = 'sluice_patches_jsonl_v1';
export const WEBDATASET_FORMAT = 'sluice_webdataset_v1';
export const WEBDATASET_INDEX_FORMAT = 'sluice_webdataset_index_v1';
export const JAX_FORMAT = 'sluice_jax_v1';
export const JAX_INDEX_FORMAT = 'sluice_jax_index_v1';
export const GRAPH_JSON_FORMAT = 'hypergraph_json';
export const PARQUET_PATCHES_FORMAT = 'sluice_patches_parquet_v1';
export const PARQUET_PATCHED_DOCUMENTS_FORMAT = 'sluice_patched_documents_parquet_v1';
export const SQLITE_DOCUMENTS_FORMAT = 'sluice_documents_sqlite_v1';
export const SQLITE_PATCHES_FORMAT = 'sluice_patches_sqlite_v1';
export const QUANTIZATION_QUALITY_FORMAT = 'sluice_quantization_quality_v1';
export const SPHERE_FORMAT = 'sluice_sphere_v1';
export const SPHERE_NPZ_FORMAT = 'sluice_sphere_npz_v1';
export const SPHERE_INDEX_FORMAT = 'sluice_sphere_index_v1';
