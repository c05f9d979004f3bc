/**
 * Graphics cards of AMD by their own library. What `amdgpu` shows under hwmon is another way to the same cards.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { Finding } from "../types.ts";
import { type Amdsmi, openAmdsmi } from "./amdsmi_ffi.ts";
import { type CardLibrary, findCards } from "./cards.ts";

/** All cards, by their energy counter. `open` stands for the library in tests. */
export const findAmdsmi = (
  world: World,
  open: () => Promise<Amdsmi> = () => openAmdsmi(),
): Promise<readonly Finding[]> =>
  findCards(world, "amdsmi", async (): Promise<CardLibrary> => {
    const amdsmi = await open();
    return {
      cards: amdsmi.cards.map(({ id, energy }) => ({ id, readings: [["counter", energy]] })),
      [Symbol.dispose]: () => amdsmi[Symbol.dispose](),
    };
  });
