/**
 * Where channels of hwmon chips lie, for drivers that tell.
 *
 * @module
 */
import { DOMAINS } from "../types.ts";
import type { Place } from "./kept_source.ts";

/** A channel as places are told by. */
export interface Labelled {
  readonly label: string;
  readonly number: number;
  readonly isLabelled: boolean;
}

/** A chip as places are told by. */
export interface ChipView {
  /** Its device, such as `1-0040` or `0000:03:00.0`. */
  readonly device: string;
  /** Whether it has a file of this name. */
  has(name: string): boolean;
  /** The text in a file of the chip; `undefined` where there is none. */
  text(name: string): string | undefined;
}

/** What the computer takes. */
export const machine: Place = { scope: "board", domain: DOMAINS.board };
/** What its power supplies take. */
export const wall: Place = { scope: "wall", domain: DOMAINS.wall };
/** One processor package. */
export const processor = (socket: number | string = 0): Place => ({
  scope: "package",
  domain: `${DOMAINS.socket(socket)}/package`,
});
const inProcessor = (name: string, socket: number | string = 0): Place => ({
  scope: "part",
  domain: `${processor(socket).domain}/${name}`,
});
/** A card by its bus address. */
export const card = (device: string): Place => ({
  scope: "accelerator",
  domain: DOMAINS.accelerator(`/${device}`),
});

/** A graphics card or the like that is known by the class of its PCI device (display 03, accelerator 12). */
export const placeByPci = (device: string, pciClass: string | undefined): Place | undefined =>
  /^0x(?:03|12)/.test(pciClass ?? "") ? card(device) : undefined;

/**
 * ACPI power meters. NVIDIA's Grace has several, told apart by what the maker writes: the socket, its rails, and on Grace
 * Hopper a module that holds socket and graphics, which is left out because the graphics are measured by themselves.
 */
export function placeOfAcpi({ number }: Labelled, { text }: ChipView): Place | undefined {
  if (text(`power${number}_is_battery`) === "1") return undefined;
  const grace = text(`power${number}_oem_info`)?.match(/^(Module|Grace|CPU|SysIO) Power Socket (\d+)$/i);
  if (grace === null || grace === undefined) return machine;
  const [, what, socket] = grace;
  switch (what!.toLowerCase()) {
    case "grace":
      return processor(socket);
    case "module":
      return undefined;
    default:
      return inProcessor(what!.toLowerCase(), socket);
  }
}

/** OpenPOWER: `System`, `Chip 0`, `Chip 0 Vdd`, and supplies (APSS) that repeat them. */
export function placeOfPower({ label, isLabelled }: Labelled, { device, has }: ChipView): Place | undefined {
  const isOnly = !isLabelled && !has("power2_input") && !has("energy2_input");
  if (isOnly || /^system$/i.test(label)) return machine;
  const chip = label.match(/^(?:Chip|Processor) (\d+)(?: (.+))?$/i);
  if (chip === null) return { scope: "part", domain: DOMAINS.rail(`${device}/${label}`) };
  return chip[2] === undefined ? processor(chip[1]) : inProcessor(chip[2], chip[1]);
}

/** Sockets count; there are as many cores as files, and all lie in the sockets. */
export function placeOfSocket({ label }: Labelled): Place | undefined {
  const socket = label.match(/^Esocket(\d+)$/);
  return socket === null ? undefined : processor(socket[1]);
}

/** AMD by the kernel or by zenpower: the package, or rails of it. */
export const placeInRyzen = ({ label }: Labelled): Place =>
  /package|socket/i.test(label) ? processor() : inProcessor(label);

/** Apple's system controller. What the adapter gives holds what charges the battery. */
export function placeInMac({ label }: Labelled, { device }: ChipView): Place | undefined {
  if (/total system power/i.test(label)) return machine;
  if (/\bcpu\b/i.test(label)) return inProcessor(label);
  return /\bac\b|adapter|battery|input/i.test(label)
    ? undefined
    : { scope: "part", domain: DOMAINS.rail(`${device}/${label}`) };
}

/**
 * AMD's graphics: a card, or a part of the processor that shows the power of the whole processor (label PPT). By the
 * attributes that amdgpu_pm.c gives to one kind only: the second voltage (vddnb) to processors; fans, a second temperature
 * and a memory clock to cards. A cap cards have, and the Steam Deck's processor, which has labels of its own.
 */
export function placeOfRadeon({ label }: Labelled, { device, has }: ChipView): Place {
  const isProcessor = has("in1_input") || /^(?:slow|fast)PPT$/i.test(label);
  const isCard = ["fan1_input", "pwm1", "temp2_input", "freq2_input", "power1_cap"].some(has);
  return isProcessor || (!isCard && /^PPT$/i.test(label))
    ? { scope: "package", domain: DOMAINS.socket(0) }
    : card(device);
}
