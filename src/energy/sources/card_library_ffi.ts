/**
 * Opening a vendor's library for its cards.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";

/** Opens the library at `path`. Throws `NodeError` `not_found` where there is none. */
export function openLibrary<S extends Deno.ForeignLibraryInterface>(
  name: string,
  path: string,
  symbols: S,
): Deno.DynamicLibrary<S> {
  try {
    return Deno.dlopen(path, symbols);
  } catch (error) {
    throw new NodeError("not_found", `Cannot ask ${name}: there is no ${path}`, { cause: error });
  }
}

/** What a library's results mean: 0 is well. */
export interface ResultCodes {
  readonly notSupported: number;
  readonly noPermission: number;
  /** Words for others. */
  readonly words?: Readonly<Record<number, string>>;
}

/** Throws `NodeError` `unsupported`, `denied` or `remote` for a result other than 0. */
export function checkResult(name: string, what: string, result: number, codes: ResultCodes): void {
  if (result === 0) return;
  const [code, words] = result === codes.notSupported
    ? ["unsupported", "not supported"] as const
    : result === codes.noPermission
    ? ["denied", "no permission"] as const
    : ["remote", codes.words?.[result] ?? `error ${result}`] as const;
  throw new NodeError(code, `Cannot ${what} by ${name}: ${words}`);
}
