/**
 * NVIDIA's management library (NVML API reference): energy counters and power of graphics cards. Calls may block while a
 * card wakes up, so they run beside the event loop.
 *
 * @module
 */
import { checkResult, openLibrary, type ResultCodes } from "./card_library_ffi.ts";

const SYMBOLS = {
  nvmlInit_v2: { parameters: [], result: "i32", nonblocking: true },
  nvmlShutdown: { parameters: [], result: "i32" },
  nvmlDeviceGetCount_v2: { parameters: ["buffer"], result: "i32" },
  nvmlDeviceGetHandleByIndex_v2: { parameters: ["u32", "buffer"], result: "i32" },
  nvmlDeviceGetUUID: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  nvmlDeviceGetTotalEnergyConsumption: {
    parameters: ["pointer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  nvmlDeviceGetPowerUsage: { parameters: ["pointer", "buffer"], result: "i32", nonblocking: true },
} as const;

/** `nvmlReturn_t`, as far as it is told apart. */
const RETURNS: ResultCodes = {
  notSupported: 3,
  noPermission: 4,
  words: { 9: "the driver is not loaded", 15: "the card is lost" },
};
/** More cards are no small machine. */
const MAX_CARDS = 32;
const UUID_BYTES = 96;

/** One card. */
export interface NvmlCard {
  /** `GPU-…`, or its number where it tells none. */
  readonly id: string;
  /** Microjoules since the driver was loaded, Volta and newer. Throws `NodeError` `unsupported`, `denied`, `remote`. */
  energy(): Promise<bigint>;
  /** Microwatts: a mean over a second on most cards since Ampere. Throws as `energy` does. */
  power(): Promise<bigint>;
}

/** The library, opened. Dispose after the last call. */
export interface Nvml extends Disposable {
  readonly cards: readonly NvmlCard[];
}

/** Opens the library at `path`. Throws `NodeError` `not_found` where there is none, `remote` where it does not start. */
export async function openNvml(path = "libnvidia-ml.so.1"): Promise<Nvml> {
  const library = openLibrary("NVML", path, SYMBOLS);
  const { symbols } = library;
  try {
    check("start", await symbols.nvmlInit_v2());
    const count = new Uint32Array(1);
    check("count cards", symbols.nvmlDeviceGetCount_v2(count));
    const cards = Array.from(
      { length: Math.min(count[0]!, MAX_CARDS) },
      (_, index) => cardOf(symbols, index),
    );
    return {
      cards,
      [Symbol.dispose]() {
        symbols.nvmlShutdown();
        library.close();
      },
    };
  } catch (error) {
    library.close();
    throw error;
  }
}

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

function cardOf(symbols: Library["symbols"], index: number): NvmlCard {
  const handle = new BigUint64Array(1);
  check("open a card", symbols.nvmlDeviceGetHandleByIndex_v2(index, handle));
  const device = Deno.UnsafePointer.create(handle[0]!);
  const uuid = new Uint8Array(UUID_BYTES);
  const named = symbols.nvmlDeviceGetUUID(device, uuid, UUID_BYTES) === 0;
  return {
    id: named ? new TextDecoder().decode(uuid.subarray(0, Math.max(0, uuid.indexOf(0)))) : `${index}`,
    async energy() {
      const millijoules = new BigUint64Array(1);
      check("read energy", await symbols.nvmlDeviceGetTotalEnergyConsumption(device, millijoules));
      return millijoules[0]! * 1000n;
    },
    async power() {
      const milliwatts = new Uint32Array(1);
      check("read power", await symbols.nvmlDeviceGetPowerUsage(device, milliwatts));
      return BigInt(milliwatts[0]!) * 1000n;
    },
  };
}

const check = (what: string, result: number): void => checkResult("NVML", what, result, RETURNS);
