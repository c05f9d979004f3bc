/**
 * Device classes: which descriptor of `targets/` fits the machine, and its defaults.
 *
 * @module
 */
import generic from "../../targets/generic.json" with { type: "json" };
import router from "../../targets/router-aarch64.json" with { type: "json" };
import rpi4 from "../../targets/rpi4.json" with { type: "json" };
import rpi5 from "../../targets/rpi5.json" with { type: "json" };
import x86 from "../../targets/x86_64-generic.json" with { type: "json" };

/** What is known of a machine before anything is configured. */
export interface MachineFacts {
  /** `x86_64` or `aarch64`, as Deno names it. */
  readonly arch: string;
  /** The device tree's or DMI's model, where there is one. */
  readonly board: string | undefined;
  /** Whether the system is OpenWrt. */
  readonly openwrt: boolean;
}

/** One device class; the shape of `targets/schema.json`. */
export interface TargetDescriptor {
  readonly name: string;
  readonly title: string;
  /** All that is given must hold. */
  readonly match: { readonly arch?: string; readonly board?: string; readonly openwrt?: boolean };
  readonly runs: string;
  readonly defaults: Readonly<Record<string, unknown>>;
}

/** All descriptors, the most special first; the last one fits every machine. */
export const TARGETS: readonly TargetDescriptor[] = [rpi4, rpi5, router, x86, generic];

/**
 * The first descriptor that fits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const facts = { arch: "aarch64", board: "Raspberry Pi 5 Model B Rev 1.0", openwrt: false };
 * assertEquals(targetOf(facts).name, "rpi5");
 * ```
 */
export function targetOf(facts: MachineFacts): TargetDescriptor {
  return TARGETS.find(({ match }) =>
    (match.arch === undefined || match.arch === facts.arch) &&
    (match.board === undefined || (facts.board?.includes(match.board) ?? false)) &&
    (match.openwrt === undefined || match.openwrt === facts.openwrt)
  )!;
}
