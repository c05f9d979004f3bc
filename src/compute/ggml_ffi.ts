/**
 * ggml 0.25.1 by FFI: the only file that opens libraries and looks behind pointers. To all others handles are opaque.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import {
  type Allocator,
  type Backend,
  type Buffer,
  type BufferType,
  type Context,
  type Device,
  type GgmlTensor,
  type GgmlType,
  type Graph,
  newContext,
  type Symbols,
  TYPE,
} from "./ggml_context.ts";
import { FEW_POSITIONS } from "./backend.ts";
import { GgmlGraph } from "./ggml_graph.ts";
import { BASE_SYMBOLS, FRONT_SYMBOLS } from "./ggml_symbols.ts";

/** The version whose struct layouts and enum numbers are written here. */
export const GGML_VERSION = "0.25.1";
/** File names inside a folder of libraries. */
export const BASE_LIBRARY = "libggml-base.so";
/** The library that keeps the list of backends. */
export const FRONT_LIBRARY = "libggml.v0.5.0.so";

/** `offsetof(struct ggml_tensor, buffer)`. */
const TENSOR_BUFFER_OFFSET = 8;
/**
 * Few columns are multiplied one by one: ggml's x86 kernels for several (those of llamafile) are slow for 2 to 5 of them,
 * and do not add as the kernel of one column does (docs/decisions/ggml.md). Not measured on ARM: there ggml decides.
 */
const MULTIPLIES_APART = Deno.build.arch === "x86_64";

/** `enum ggml_backend_dev_type`. */
const DEVICE_KINDS = ["cpu", "gpu", "igpu", "accel"] as const;

const text = (pointer: Deno.PointerValue): string =>
  pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
const zeroEnded = (words: string) => encodeUtf8(`${words}\0`);
const big = BigInt;

const SET_THREADS = { parameters: ["pointer", "i32"], result: "void" } as const;
const GET_BUFFER_TYPES = { parameters: ["pointer"], result: "pointer" } as const;
const procedureAt = <F extends Deno.ForeignFunction>(address: Deno.PointerObject, form: F) =>
  new Deno.UnsafeFnPointer(address as Deno.PointerObject<F>, form);

/** A device that some backend offers. */
export interface GgmlDeviceInfo {
  readonly kind: (typeof DEVICE_KINDS)[number];
  readonly name: string;
  readonly description: string;
  readonly handle: Device;
}

/** ggml, loaded. It stays loaded until the process ends: C keeps its list of backends in the process. */
export class GgmlLibrary {
  readonly #symbols: Symbols;

  private constructor(symbols: Symbols) {
    this.#symbols = symbols;
  }

  /**
   * Opens the libraries in `folder`, which must be a real one, and every backend there that this processor can run.
   * `quiet` keeps ggml's log off stderr. Throws `NodeError` `no_backend` for what cannot be opened here.
   */
  static open(folder: string, { quiet }: { readonly quiet: boolean }): GgmlLibrary {
    const base = openFile(`${folder}/${BASE_LIBRARY}`, BASE_SYMBOLS).symbols;
    const version = text(base.ggml_version());
    if (version !== GGML_VERSION) {
      throw new NodeError(
        "no_backend",
        `Cannot use the ggml in "${folder}": it is version "${version}", wanted ${GGML_VERSION}`,
      );
    }
    const front = openFile(`${folder}/${FRONT_LIBRARY}`, FRONT_SYMBOLS).symbols;
    // ggml logs from its own threads, where no JavaScript can run: a C function that does nothing takes the lines
    if (quiet) base.ggml_log_set(base.ggml_time_us, null);
    const library = new GgmlLibrary({ ...base, ...front });
    library.loadBackends(folder);
    return library;
  }

  /** Git commit of the build. */
  get commit(): string {
    return text(this.#symbols.ggml_commit());
  }

  /** Loads the backends in `folder` that this machine can run; those it cannot are left out without a word. */
  loadBackends(folder: string): void {
    this.#symbols.ggml_backend_load_all_from_path(zeroEnded(folder));
  }

  /** Every device of the loaded backends. */
  devices(): GgmlDeviceInfo[] {
    const symbols = this.#symbols;
    return Array.from({ length: Number(symbols.ggml_backend_dev_count()) }, (_, i) => {
      const handle = symbols.ggml_backend_dev_get(big(i)) as Device;
      return {
        kind: DEVICE_KINDS[symbols.ggml_backend_dev_type(handle)] ?? "accel",
        name: text(symbols.ggml_backend_dev_name(handle)),
        description: text(symbols.ggml_backend_dev_description(handle)).trim(),
        handle,
      };
    });
  }

  /** Starts to use a device. Throws `NodeError` `no_backend` when it does not start. */
  openDevice(info: GgmlDeviceInfo): GgmlDevice {
    const backend = this.#symbols.ggml_backend_dev_init(info.handle, null) as Backend | null;
    if (backend === null) {
      throw new NodeError("no_backend", `Cannot use the device "${info.description}": it does not start`);
    }
    return new GgmlDevice(this.#symbols, info, backend);
  }
}

function openFile<S extends Deno.ForeignLibraryInterface>(path: string, symbols: S): Deno.DynamicLibrary<S> {
  try {
    return Deno.dlopen(path, symbols);
  } catch (error) {
    throw new NodeError("no_backend", `Cannot open "${path}": ${explain(messageOf(error))}`, {
      cause: error,
    });
  }
}

/**
 * Why the loader of the system does not take the library `path`; `undefined` when it does. Backends are opened inside
 * ggml, which keeps the reason to itself.
 */
export function whyNotOpened(path: string): string | undefined {
  try {
    Deno.dlopen(path, {}).close();
    return undefined;
  } catch (error) {
    return explain(messageOf(error));
  }
}

/** The loader's words, and what they mean where it is known. */
export function explain(words: string): string {
  const wanted = words.match(/version [`'"](GLIBC|GLIBCXX)_([\d.]+)['"`] not found/);
  if (wanted !== null) {
    const what = wanted[1] === "GLIBC" ? "glibc" : "libstdc++ with GLIBCXX";
    return `this system is too old, wanted ${what} ${
      wanted[2]
    } or newer, as Debian 12, Ubuntu 22.04 or later have`;
  }
  if (/libstdc\+\+|libgomp|libgcc/.test(words)) {
    return `a system library is missing (${words}), wanted the packages libstdc++6 and libgomp1`;
  }
  if (/failed to map segment/.test(words)) {
    return `its folder forbids programs (noexec), wanted a data folder on another file system (${words})`;
  }
  return words;
}

/** An opened device. One computation at a time: ggml's threads spin. */
export class GgmlDevice implements Disposable {
  readonly kind: GgmlDeviceInfo["kind"];
  readonly description: string;
  readonly #symbols: Symbols;
  readonly #device: Device;
  readonly #backend: Backend;
  readonly #buffers: BufferType;
  readonly #repack: BufferType | undefined;
  readonly #canRepack = new Map<string, boolean>();
  #threads = 0;

  /** Made by `GgmlLibrary.openDevice`. */
  constructor(symbols: Symbols, info: GgmlDeviceInfo, backend: Backend) {
    this.#symbols = symbols;
    this.#device = info.handle;
    this.#backend = backend;
    this.description = info.description;
    this.kind = info.kind;
    this.#buffers = symbols.ggml_backend_get_default_buffer_type(backend) as BufferType;
    this.#repack = this.#findRepack();
  }

  [Symbol.dispose](): void {
    this.#symbols.ggml_backend_free(this.#backend);
  }

  /** Memory of a device with memory of its own; `undefined` for the CPU. */
  freeMemory(): number | undefined {
    if (this.kind === "cpu") return undefined;
    const free = new BigUint64Array(1), total = new BigUint64Array(1);
    this.#symbols.ggml_backend_dev_memory(this.#device, free, total);
    return Number(free[0]!);
  }

  /**
   * Whether matrices `[rows, columns]` of `type` can be held in the order that this CPU multiplies fastest. One that
   * cannot and is put there ends the process, so the device is asked with a matrix that has no bytes.
   */
  canRepack(type: GgmlType, rows: number, columns: number): boolean {
    if (this.#repack === undefined) return false;
    const key = `${type} ${rows} ${columns}`;
    const known = this.#canRepack.get(key);
    if (known !== undefined) return known;
    const symbols = this.#symbols;
    const context = newContext(symbols, 8, 0);
    const buffer = symbols.ggml_backend_buft_alloc_buffer(this.#repack, 0n);
    const matrix = symbols.ggml_new_tensor_2d(context, TYPE[type], big(columns), big(rows))!;
    const input = symbols.ggml_new_tensor_2d(context, TYPE.F32, big(columns), 512n);
    const place = Deno.UnsafePointerView.getArrayBuffer(matrix, 8, TENSOR_BUFFER_OFFSET);
    new BigUint64Array(place)[0] = big(Deno.UnsafePointer.value(buffer));
    const product = symbols.ggml_mul_mat(context, matrix, input);
    const can = symbols.ggml_backend_dev_supports_op(this.#device, product) !== 0;
    symbols.ggml_backend_buffer_free(buffer);
    symbols.ggml_free(context);
    this.#canRepack.set(key, can);
    return can;
  }

  /** Room for `tensors` tensors, in plain or in repacked order. Dispose to free it. */
  newMemory(tensors: number, order: "plain" | "repacked"): GgmlMemory {
    const buffers = order === "plain" ? this.#buffers : this.#repack;
    if (buffers === undefined) throw new TypeError("Cannot repack: this device has no such memory");
    return new GgmlMemory(this.#symbols, buffers, tensors);
  }

  /** A workplace that graphs may share, one after another. Dispose to free it. */
  newScratch(): GgmlScratch {
    return new GgmlScratch(this.#symbols, this.#symbols.ggml_gallocr_new(this.#buffers) as Allocator);
  }

  /** An empty graph with room for `nodes` nodes, over `columns` columns of values. Dispose to free it. */
  newGraph(nodes: number, columns: number): GgmlGraph {
    const isApart = this.kind === "cpu" && MULTIPLIES_APART && columns > 1 && columns <= FEW_POSITIONS;
    return new GgmlGraph(this.#symbols, { nodes, columns, isApart });
  }

  /** Places everything the graph needs. Throws `NodeError` `no_memory`, and `unsupported` for what the device lacks. */
  allocate(graph: GgmlGraph, scratch: GgmlScratch): void {
    if (this.kind !== "cpu") this.#requireSupport(graph);
    scratch.allocate(graph.handle);
  }

  /**
   * Computes: few columns at once where nobody waits (`isAlone`), since the way to another thread and back costs 0.1 ms;
   * all other while the event loop goes on, for who leaves has to be heard between steps. Throws `NodeError` `no_backend` when the device fails.
   */
  async compute(
    graph: GgmlGraph,
    { threads, isAlone }: { readonly threads: number; readonly isAlone: boolean },
  ): Promise<void> {
    this.#setThreads(threads);
    const { ggml_backend_graph_compute, computeAside } = this.#symbols;
    const status = isAlone && graph.hasFewColumns
      ? ggml_backend_graph_compute(this.#backend, graph.handle)
      : await computeAside(this.#backend, graph.handle);
    if (status !== 0) {
      throw new NodeError("no_backend", `Cannot compute on "${this.description}": ggml answered ${status}`);
    }
  }

  /** An operation that the device lacks would end the process. */
  #requireSupport(graph: GgmlGraph): void {
    const symbols = this.#symbols;
    for (const node of graph.nodes()) {
      if (symbols.ggml_backend_dev_supports_op(this.#device, node) !== 0) continue;
      const operation = text(symbols.ggml_op_desc(node));
      throw new NodeError(
        "unsupported",
        `Cannot compute on "${this.description}": it has no ${operation} for this model`,
      );
    }
  }

  /** Devices that are no CPU have no threads to set. */
  #setThreads(threads: number): void {
    if (threads === this.#threads) return;
    const set = this.#procedure("ggml_backend_set_n_threads");
    if (set !== null) procedureAt(set, SET_THREADS).call(this.#backend, threads);
    this.#threads = threads;
  }

  #procedure(name: string): Deno.PointerValue {
    const registry = this.#symbols.ggml_backend_dev_backend_reg(this.#device);
    return this.#symbols.ggml_backend_reg_get_proc_address(registry, zeroEnded(name));
  }

  /** The list of further buffer types ends with a null pointer. */
  #findRepack(): BufferType | undefined {
    const list = this.#procedure("ggml_backend_dev_get_extra_bufts");
    if (list === null) return undefined;
    const first = procedureAt(list, GET_BUFFER_TYPES).call(this.#device);
    if (first === null) return undefined;
    const view = new Deno.UnsafePointerView(first);
    for (let i = 0;; i++) {
      const type = view.getPointer(8 * i) as BufferType | null;
      if (type === null) return undefined;
      if (text(this.#symbols.ggml_backend_buft_name(type)) === "CPU_REPACK") return type;
    }
  }
}

/** Tensors that lie in one buffer. */
export class GgmlMemory implements Disposable {
  readonly #symbols: Symbols;
  readonly #buffers: BufferType;
  readonly #context: Context;
  #buffer: Buffer | undefined;
  #tensors = 0;

  /** Made by `GgmlDevice.newMemory`. */
  constructor(symbols: Symbols, buffers: BufferType, tensors: number) {
    this.#symbols = symbols;
    this.#buffers = buffers;
    this.#context = newContext(symbols, tensors + 1, 0);
  }

  /** A matrix `[rows, columns]`, or a vector of `columns` where `rows` is absent. */
  add(type: GgmlType, columns: number, rows?: number): GgmlTensor {
    this.#tensors++;
    const symbols = this.#symbols;
    const tensor = rows === undefined
      ? symbols.ggml_new_tensor_1d(this.#context, TYPE[type], big(columns))
      : symbols.ggml_new_tensor_2d(this.#context, TYPE[type], big(columns), big(rows));
    return tensor as GgmlTensor;
  }

  /** Gives all tensors their bytes; how many those are. Throws `NodeError` `no_memory`. */
  allocate(): number {
    if (this.#tensors === 0) return 0;
    const symbols = this.#symbols;
    const buffer = symbols.ggml_backend_alloc_ctx_tensors_from_buft(this.#context, this.#buffers) as
      | Buffer
      | null;
    if (buffer === null) {
      throw new NodeError("no_memory", "Cannot allocate tensors: the device has no more memory");
    }
    this.#buffer = buffer;
    return Number(symbols.ggml_backend_buffer_get_size(buffer));
  }

  /** Sets all bytes to 0. */
  clear(): void {
    if (this.#buffer !== undefined) this.#symbols.ggml_backend_buffer_clear(this.#buffer, 0);
  }

  /** Fills a tensor while the event loop goes on; bytes for repacked tensors are in plain order. */
  async fill(tensor: GgmlTensor, data: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#symbols.tensorSetAside(tensor, data, 0n, big(data.byteLength));
  }

  /** Bytes of a part of a plain tensor. */
  read(tensor: GgmlTensor, offset: number, bytes: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(bytes);
    this.#symbols.ggml_backend_tensor_get(tensor, out, big(offset), big(bytes));
    return out;
  }

  /** Overwrites a part of a plain tensor. */
  write(tensor: GgmlTensor, offset: number, data: Uint8Array<ArrayBuffer>): void {
    this.#symbols.ggml_backend_tensor_set(tensor, data, big(offset), big(data.byteLength));
  }

  [Symbol.dispose](): void {
    if (this.#buffer !== undefined) this.#symbols.ggml_backend_buffer_free(this.#buffer);
    this.#symbols.ggml_free(this.#context);
  }
}

/** Memory for what lies between the nodes of a graph. */
export class GgmlScratch implements Disposable {
  readonly #symbols: Symbols;
  readonly #allocator: Allocator;

  /** Made by `GgmlDevice.newScratch`. */
  constructor(symbols: Symbols, allocator: Allocator) {
    this.#symbols = symbols;
    this.#allocator = allocator;
  }

  /** Bytes held. */
  get bytes(): number {
    return Number(this.#symbols.ggml_gallocr_get_buffer_size(this.#allocator, 0));
  }

  /** Places a graph; those placed here before are void from then on. */
  allocate(graph: Graph): void {
    if (this.#symbols.ggml_gallocr_alloc_graph(this.#allocator, graph) === 0) {
      throw new NodeError(
        "no_memory",
        "Cannot compute: the device has no memory left for intermediate values",
      );
    }
  }

  [Symbol.dispose](): void {
    this.#symbols.ggml_gallocr_free(this.#allocator);
  }
}
