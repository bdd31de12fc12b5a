declare module 'safetensors' {
  class SafeTensor {
    constructor(file: Uint8Array);
    readonly metadata: Map<string, { dtype: string; shape: number[] }>;
    getTensor(name: string): Uint8Array;
  }
  const library: { SafeTensor: typeof SafeTensor };
  export default library;
}
