/**
 * Graphics cards of NVIDIA. On Jetson boards the library starts, shows one device, and answers "not supported" to everything
 * that matters: it is the reading that counts.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { Finding } from "../types.ts";
import { type CardLibrary, findCards } from "./cards.ts";
import { type Nvml, openNvml } from "./nvml_ffi.ts";

/** All cards, by their energy counter or, before Volta, their power. `open` stands for the library in tests. */
export const findNvml = (
  world: World,
  open: () => Promise<Nvml> = () => openNvml(),
): Promise<readonly Finding[]> =>
  findCards(world, "nvml", async (): Promise<CardLibrary> => {
    const nvml = await open();
    return {
      cards: nvml.cards.map(({ id, energy, power }) => ({
        id,
        readings: [["counter", energy], ["gauge", power]],
      })),
      [Symbol.dispose]: () => nvml[Symbol.dispose](),
    };
  });
