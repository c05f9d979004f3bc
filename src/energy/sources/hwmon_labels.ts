/**
 * What labels of hwmon channels say.
 *
 * @module
 */

/** Labels as words: case, dashes and the like mean nothing. */
const wordsOf = (label: string): string => label.toLowerCase().replace(/(?:[\s_\-:]|\.(?!\d))+/g, " ").trim();

/** What the whole is called. */
const TOTAL =
  /^(?:total|(?:total )?(?:system|board|node|machine)(?: (?:power|total|input|total power))?|total power|power total)$/;
/** What goes in is called. Numbers at the end tell several inputs apart. */
const INPUT =
  /^(?:vin|v in|vdd in|vcc in|dc ?in|pwr in|power in|vsys|(?:(?:pom|vcc|vdd) ?)?\d+(?:\.\d+)?v\d? ?(?:dc ?)?in(?:put)?|(?:main|supply|dc|power)? ?input(?: (?:power|voltage))?)(?: ?\d)?$/;

/**
 * How surely a label says that its channel is what the whole board takes in: 2 where it names the whole, 1 where it names
 * an input, 0 where it says nothing of that.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["Total System Power", "VDD_IN", "12V Input", "VIN2", "VDD_CPU", "vout1"].map(inputRank), [2, 1, 1, 1, 0, 0]);
 * ```
 */
export function inputRank(label: string): 0 | 1 | 2 {
  const words = wordsOf(label);
  return TOTAL.test(words) ? 2 : INPUT.test(words) ? 1 : 0;
}

/** A label without the number at its end: several inputs of one board share it. */
export const inputFamily = (label: string): string => wordsOf(label).replace(/ ?\d$/, "");

/** Whether a label says that nothing is connected, or that the figure is no power that is taken: a contract, light, heat. */
export const isNoPower = (label: string): boolean =>
  /^(?:nc|n\/c|not connected|unused)$/i.test(label.trim()) ||
  /\bcontract\b|\bdissipated\b|^[tr]x[_ ]?power\d*$|^bias$/i.test(label);

/** PMBus: sides of a converter by the kernel's labels (Documentation/hwmon/pmbus.rst); phases (`iout1.2`) have none. */
export function pmbusSide(label: string): { readonly side: string; readonly page: string } | undefined {
  const match = label.match(/^(vin|iin|pin|vout|iout|pout)(\d*)$/);
  return match === null ? undefined : { side: match[1]!, page: match[2]! };
}

/** Whether a label of a current or a power is one of PMBus, phases included. */
export const isPmbusLabel = (label: string): boolean => /^[ip](?:in|out)\d*(?:\.\d+)?$/.test(label);

/** Words that only tell volts from amperes. */
const UNITS = /\b(?:voltage|volts?|v|current|curr|amperes?|amps?|a|i|power|out|in)\b/g;

/**
 * Whether a voltage and a current of the same number belong together: their labels name the same thing. Of chips that are
 * not known the numbers alone may only count.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isSameThing("Pump voltage", "Pump current") && isSameThing(undefined, undefined) && !isSameThing("+12V", "CPU"));
 * ```
 */
export function isSameThing(volts: string | undefined, amperes: string | undefined): boolean {
  if (volts === undefined || amperes === undefined) return true;
  const thing = (label: string) => wordsOf(label).replace(UNITS, "").replace(/\s+/g, " ").trim();
  return thing(volts) === thing(amperes);
}
