/**
 * The part of `jsr:@std/assert` that this project calls, with the same call shapes, for places where JSR cannot be
 * reached. Removing the `links` line of deno.json switches to the real package.
 *
 * @module
 */
import { AssertionError as NodeAssertionError, deepStrictEqual, notDeepStrictEqual } from "node:assert";

/** What a failed assertion throws. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

// deno-lint-ignore no-explicit-any -- the shape of the real package
type ErrorClass = abstract new (...args: any[]) => Error;

function failed(message: string, note?: string): AssertionError {
  return new AssertionError(note === undefined ? message : `${message}: ${note}`);
}

function translated(compare: () => void, note?: string): void {
  try {
    compare();
  } catch (error) {
    if (error instanceof NodeAssertionError) throw failed(error.message, note);
    throw error;
  }
}

/** Throws unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw failed(msg === "" ? "Expected a truthy value" : msg);
}

/** Throws always. */
export function fail(msg?: string): never {
  throw failed("Failed assertion", msg);
}

/** Throws unless both are equal in depth. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  translated(() => deepStrictEqual(actual, expected), msg);
}

/** Throws if both are equal in depth. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  translated(() => notDeepStrictEqual(actual, expected), msg);
}

/** Throws unless both are the same value (`Object.is`). */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (!Object.is(actual, expected)) {
    throw failed(`Values are not the same: ${String(actual)}, ${String(expected)}`, msg);
  }
}

/** Throws for null and undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) throw failed(`Expected a value, got ${String(actual)}`, msg);
}

/** Throws unless `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends ErrorClass | (abstract new (...args: never[]) => unknown)>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    throw failed(
      `Expected an instance of ${expectedType.name}, got ${String(actual)}`,
      msg === "" ? undefined : msg,
    );
  }
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    throw failed(`Expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}`, msg);
  }
}

/** Throws unless `actual` matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) throw failed(`Expected ${JSON.stringify(actual)} to match ${expected}`, msg);
}

/** Throws unless the numbers are within `tolerance` (1e-7 relative by default). */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (!(Math.abs(actual - expected) <= allowed)) {
    throw failed(`Expected ${actual} to be within ${allowed} of ${expected}`, msg);
  }
}

/** Throws unless `actual` > `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw failed(`Expected ${String(actual)} > ${String(expected)}`, msg);
}

/** Throws unless `actual` ≥ `expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw failed(`Expected ${String(actual)} >= ${String(expected)}`, msg);
}

/** Throws unless `actual` < `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw failed(`Expected ${String(actual)} < ${String(expected)}`, msg);
}

/** Throws unless `actual` ≤ `expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw failed(`Expected ${String(actual)} <= ${String(expected)}`, msg);
}

function checkThrown(error: unknown, kind?: ErrorClass, includes?: string): Error {
  if (!(error instanceof Error)) throw failed(`A non-Error was thrown: ${String(error)}`);
  const { message } = error;
  if (kind !== undefined && !(error instanceof kind)) {
    throw failed(`Expected ${kind.name}, got ${(error as Error).constructor.name}: ${message}`);
  }
  if (includes !== undefined && !error.message.includes(includes)) {
    throw failed(
      `Expected message to include ${JSON.stringify(includes)}, got ${JSON.stringify(error.message)}`,
    );
  }
  return error;
}

/** Throws unless `fn` throws an error of that class whose message includes that text; gives the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- the shape of the real package
  errorClass?: (abstract new (...args: any[]) => E) | string,
  msgIncludes?: string,
): E {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    const kind = typeof errorClass === "function" ? errorClass : undefined;
    return checkThrown(thrown, kind, msgIncludes) as E;
  }
  throw failed("Expected function to throw");
}

/** As {@linkcode assertThrows}, for promises. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- the shape of the real package
  errorClass?: (abstract new (...args: any[]) => E) | string,
  msgIncludes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    const kind = typeof errorClass === "function" ? errorClass : undefined;
    return checkThrown(error, kind, msgIncludes) as E;
  }
  throw failed("Expected function to reject");
}
