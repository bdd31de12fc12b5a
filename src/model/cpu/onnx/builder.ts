import { ProtobufWriter } from './protobuf.ts';

/** Element types of onnx.TensorProto.DataType. */
export const ONNX_TYPE = { F32: 1, U8: 2, I8: 3, I32: 6, I64: 7, BOOL: 9, F64: 11 } as const;
export type OnnxType = (typeof ONNX_TYPE)[keyof typeof ONNX_TYPE];

/** A float attribute must say so: ONNX tells 1 from 1.0. */
export type Attribute = number | readonly number[] | { readonly float: number } | { readonly graph: ProtobufWriter };

/** Where a tensor's values lie in a file beside the model. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

const MICROSOFT = 'com.microsoft';
const ATTRIBUTE = { float: 1, int: 2, graph: 5, ints: 7 } as const;

/** Builds an onnx.ModelProto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): nodes in order, one namespace of value names. */
export class OnnxBuilder {
  readonly #graph = new ProtobufWriter();
  /** Where nodes go: the graph, or the body of a loop that is being written. */
  #nodes = this.#graph;
  readonly #initializers = new Set<string>();
  #values = 0;

  /** Adds a standard operator with one output; returns the output's name. */
  op(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    output = this.#fresh(),
  ): string {
    this.node(type, '', inputs, [output], attributes);
    return output;
  }

  /** The same for ONNX Runtime's own operators. */
  microsoft(type: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    const output = this.#fresh();
    this.node(type, MICROSOFT, inputs, [output], attributes);
    return output;
  }

  /** Adds any operator; an empty name is an output or input left out. */
  node(
    type: string,
    domain: '' | typeof MICROSOFT,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Record<string, Attribute> = {},
  ): void {
    const node = new ProtobufWriter();
    for (const input of inputs) node.string(1, input);
    for (const output of outputs) node.string(2, output);
    node.string(3, `${type}_${this.#values++}`).string(4, type);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    if (domain !== '') node.string(7, domain);
    this.#nodes.message(1, node);
  }

  /**
   * Repeats `body` as often as the i64 scalar `count` says, with the i64 scalar round number; values of the graph outside
   * can be used inside. Returns the bodies' values, which must be of one shape, stacked along a new first axis.
   */
  loop(count: string, type: OnnxType, shape: readonly (number | string)[], body: (round: string) => string): string {
    const outside = this.#nodes;
    const inside = new ProtobufWriter();
    this.#nodes = inside;
    const [round, condition, goOn] = [this.#fresh(), this.#fresh(), this.#fresh()];
    const result = body(round);
    this.node('Identity', '', [condition], [goOn]);
    this.#nodes = outside;
    inside
      .string(2, 'body')
      .message(11, valueInfo(round, ONNX_TYPE.I64, []))
      .message(11, valueInfo(condition, ONNX_TYPE.BOOL, []))
      .message(12, valueInfo(goOn, ONNX_TYPE.BOOL, []))
      .message(12, valueInfo(result, type, shape));
    return this.op('Loop', [count, ''], { body: { graph: inside } });
  }

  /** A constant i64[n]. */
  ints(...values: number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.tensor(`ints_${values.join('_')}`, ONNX_TYPE.I64, [values.length], bytesOf(data));
  }

  /** A constant i64 scalar. */
  int(value: number): string {
    return this.tensor(`int_${value}`, ONNX_TYPE.I64, [], bytesOf(BigInt64Array.of(BigInt(value))));
  }

  /** A constant f32 scalar. */
  float(value: number): string {
    return this.tensor(`float_${value}`, ONNX_TYPE.F32, [], bytesOf(Float32Array.of(value)));
  }

  /** A constant u8 scalar. */
  byte(value: number): string {
    return this.tensor(`byte_${value}`, ONNX_TYPE.U8, [], Uint8Array.of(value));
  }

  /** A constant of any type, little-endian. */
  tensor(name: string, type: OnnxType, shape: readonly number[], bytes: Uint8Array): string {
    if (this.#initializers.has(name)) return name;
    this.#initializers.add(name);
    this.#graph.message(5, new ProtobufWriter().ints(1, shape).int(2, type).string(8, name).bytes(9, bytes));
    return name;
  }

  /** A constant whose values stay in their file. */
  external(name: string, type: OnnxType, shape: readonly number[], data: ExternalData): string {
    if (this.#initializers.has(name)) return name;
    this.#initializers.add(name);
    const tensor = new ProtobufWriter().ints(1, shape).int(2, type).string(8, name);
    for (const key of ['location', 'offset', 'length'] as const) {
      tensor.message(13, new ProtobufWriter().string(1, key).string(2, String(data[key])));
    }
    this.#graph.message(5, tensor.int(14, 1));
    return name;
  }

  input(name: string, type: OnnxType, shape: readonly (number | string)[]): string {
    this.#graph.message(11, valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: OnnxType, shape: readonly (number | string)[]): string {
    this.#graph.message(12, valueInfo(name, type, shape));
    return name;
  }

  /** The finished model file. */
  finish(opset = 21, irVersion = 10): Uint8Array {
    this.#graph.string(2, 'sluice');
    return new ProtobufWriter()
      .int(1, irVersion)
      .string(2, 'sluice')
      .message(7, this.#graph)
      .message(8, new ProtobufWriter().string(1, '').int(2, opset))
      .message(8, new ProtobufWriter().string(1, MICROSOFT).int(2, 1))
      .finish();
  }

  #fresh(): string {
    return `v${this.#values++}`;
  }
}

function bytesOf(values: BigInt64Array | Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function attribute(name: string, value: Attribute): ProtobufWriter {
  const message = new ProtobufWriter().string(1, name);
  if (typeof value === 'number') return message.int(3, value).int(20, ATTRIBUTE.int);
  if ('float' in value) return message.float(2, value.float).int(20, ATTRIBUTE.float);
  if ('graph' in value) return message.message(6, value.graph).int(20, ATTRIBUTE.graph);
  return message.ints(8, value).int(20, ATTRIBUTE.ints);
}

function valueInfo(name: string, type: OnnxType, shape: readonly (number | string)[]): ProtobufWriter {
  const dimensions = new ProtobufWriter();
  for (const size of shape) {
    dimensions.message(
      1,
      typeof size === 'number' ? new ProtobufWriter().int(1, size) : new ProtobufWriter().string(2, size),
    );
  }
  const tensor = new ProtobufWriter().int(1, type).message(2, dimensions);
  return new ProtobufWriter().string(1, name).message(2, new ProtobufWriter().message(1, tensor));
}
