/**
 * AMD's management library (amd_smi, `amdsmi.h`): energy counters of graphics cards.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { checkResult, openLibrary, type ResultCodes } from "./card_library_ffi.ts";

const SYMBOLS = {
  amdsmi_init: { parameters: ["u64"], result: "i32", nonblocking: true },
  amdsmi_shut_down: { parameters: [], result: "i32" },
  amdsmi_get_socket_handles: { parameters: ["buffer", "buffer"], result: "i32" },
  amdsmi_get_processor_handles: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  amdsmi_get_energy_count: {
    parameters: ["pointer", "buffer", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
} as const;

/** `AMDSMI_INIT_AMD_GPUS`. */
const GPUS = 2n;
/** `AMDSMI_STATUS_NOT_SUPPORTED`, `AMDSMI_STATUS_NO_PERM`. */
const STATUS: ResultCodes = { notSupported: 2, noPermission: 10 };
const MAX_HANDLES = 32;

/** One card. Of cards with several dies only the first one counts for all: others answer 0 or nothing. */
export interface AmdCard {
  readonly id: string;
  /** Microjoules. Throws `NodeError` `unsupported`, `denied`, `remote`. */
  energy(): Promise<bigint>;
}

/** The library, opened. Dispose after the last call. */
export interface Amdsmi extends Disposable {
  readonly cards: readonly AmdCard[];
}

/** Opens the library at `path`. Throws `NodeError` `not_found` where there is none, `remote` where it does not start. */
export async function openAmdsmi(path = "libamd_smi.so"): Promise<Amdsmi> {
  const library = openLibrary("amd_smi", path, SYMBOLS);
  const { symbols } = library;
  try {
    check("start", await symbols.amdsmi_init(GPUS));
    const cards = handlesOf((count, handles) => symbols.amdsmi_get_socket_handles(count, handles)).flatMap(
      (socket, s) =>
        handlesOf((count, handles) => symbols.amdsmi_get_processor_handles(socket, count, handles)).map(
          (processor, p) => cardOf(symbols, `${s}.${p}`, processor),
        ),
    );
    return {
      cards,
      [Symbol.dispose]() {
        symbols.amdsmi_shut_down();
        library.close();
      },
    };
  } catch (error) {
    library.close();
    throw error;
  }
}

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** Asked twice, as the header says: how many there are, then which. */
function handlesOf(
  ask: (count: Uint32Array<ArrayBuffer>, handles: BigUint64Array<ArrayBuffer> | null) => number,
): Deno.PointerValue[] {
  const count = new Uint32Array(1);
  check("count cards", ask(count, null));
  count[0] = Math.min(count[0]!, MAX_HANDLES);
  const handles = new BigUint64Array(count[0]);
  if (count[0] > 0) check("open cards", ask(count, handles));
  return [...handles].map((handle) => Deno.UnsafePointer.create(handle));
}

function cardOf(symbols: Library["symbols"], id: string, processor: Deno.PointerValue): AmdCard {
  return {
    id,
    async energy() {
      const count = new BigUint64Array(1), resolution = new Float32Array(1), at = new BigUint64Array(1);
      check("read energy", await symbols.amdsmi_get_energy_count(processor, count, resolution, at));
      // ticks × microjoules for each tick
      const microjoules = Number(count[0]) * resolution[0]!;
      if (!(microjoules >= 0 && microjoules < Number.MAX_SAFE_INTEGER)) {
        throw new NodeError("remote", `Cannot read energy by amd_smi: it shows ${microjoules} µJ`);
      }
      return BigInt(Math.round(microjoules));
    },
  };
}

const check = (what: string, result: number): void => checkResult("amd_smi", what, result, STATUS);
