/** The part of WebAssembly that sluice uses: Node has it, but its types come with the browser's library only. */
declare namespace WebAssembly {
  interface MemoryDescriptor {
    /** Pages of 64 KiB. */
    readonly initial: number;
    readonly maximum?: number;
    readonly shared?: boolean;
  }
  class Memory<B extends ArrayBufferLike = SharedArrayBuffer> {
    constructor(
      descriptor: MemoryDescriptor & {
        readonly maximum: number;
        readonly shared: B extends SharedArrayBuffer ? true : false;
      },
    );
    readonly buffer: B;
  }
  class RuntimeError extends Error {}
  type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  function compile(bytes: Uint8Array): Promise<Module>;
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Readonly<Record<string, unknown>>;
  }
}
