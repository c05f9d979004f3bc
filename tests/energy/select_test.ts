import { assertAlmostEquals, assertEquals } from "@std/assert";
import { type Candidate, chooseSources, uncertaintyOfSum } from "../../src/energy/select.ts";
import { DOMAINS } from "../../src/energy/types.ts";

const candidate = (id: string, change: Partial<Candidate>): Candidate => ({
  id,
  kind: "measured",
  scope: "board",
  domain: DOMAINS.board,
  relativeUncertainty: 0.05,
  ...change,
});
const plug = candidate("plug", { scope: "wall", domain: DOMAINS.wall, relativeUncertainty: 0.02 });
const battery = candidate("battery", {});
const psys = candidate("psys", { domain: DOMAINS.platform });
const socket = (n: number) =>
  candidate(`package-${n}`, { scope: "package", domain: `${DOMAINS.socket(n)}/package` });
const core = candidate("core", { scope: "part", domain: `${DOMAINS.socket(0)}/package/core` });
const dram = candidate("dram", { scope: "part", domain: DOMAINS.memory(0) });
const card = candidate("card", { scope: "accelerator", domain: DOMAINS.accelerator(0) });
const rail = candidate("rail", { scope: "part", domain: DOMAINS.rail("vdd") });
const model = candidate("model", { kind: "modelled", relativeUncertainty: 0.25 });

const chosen = (...candidates: Candidate[]) => {
  const { parts, whole, kind, scope } = chooseSources(candidates);
  return [parts.map(({ id }) => id).join("+"), whole?.id, kind, scope];
};

Deno.test("chooseSources takes the widest that is measured and leaves out what lies in it", () => {
  assertEquals(chosen(core, socket(0), dram, psys, battery, plug), ["plug", undefined, "measured", "wall"]);
  assertEquals(chosen(core, socket(0), dram, psys, battery), ["battery", undefined, "measured", "board"]);
  assertEquals(chosen(core, socket(0), dram, psys), ["psys", undefined, "measured", "board"]);
  assertEquals(chosen(core, socket(0), socket(1), dram), [
    "package-0+package-1+dram",
    undefined,
    "measured",
    "package",
  ]);
  assertEquals(chosen(core), ["core", undefined, "measured", "part"]);
  assertEquals(chosen(), ["", undefined, "none", undefined]);
});

Deno.test("chooseSources adds a card of its own to the processor, and no rail that may feed it", () => {
  assertEquals(chosen(socket(0), card, rail), ["package-0+card", undefined, "measured", "package"]);
  assertEquals(
    chooseSources([socket(0), card, rail]).leftOut.get("rail"),
    "it may feed the processor, which is measured already",
  );
  assertEquals(chosen(rail, card), ["rail+card", undefined, "measured", "accelerator"]);
});

Deno.test("chooseSources takes one source of a domain: measured, then sure, then first", () => {
  const sure = candidate("sure", { relativeUncertainty: 0.01 });
  const mixed = candidate("pmic", { kind: "mixed", relativeUncertainty: 0.001 });
  assertEquals(chosen(mixed, battery, sure), ["sure", undefined, "measured", "board"]);
  assertEquals(chosen(battery, candidate("other", {})), ["battery", undefined, "measured", "board"]);
  assertEquals(chosen(mixed, model), ["pmic", undefined, "mixed", "board"]);
});

Deno.test("chooseSources uses a model only where nothing measured covers as much", () => {
  assertEquals(chosen(model), ["", "model", "modelled", "board"]);
  assertEquals(chosen(model, socket(0)), ["package-0", "model", "mixed", "board"]);
  assertEquals(chosen(model, plug), ["plug", undefined, "measured", "wall"]);
  assertEquals(chosen(model, battery), ["battery", undefined, "measured", "board"]);
});

Deno.test("chooseSources never counts what other devices take", () => {
  const poe = candidate("poe", { domain: DOMAINS.others("lan1") });
  assertEquals(chosen(poe), ["", undefined, "none", undefined]);
  assertEquals(chooseSources([poe]).leftOut.get("poe"), "it is the power of other devices");
});

Deno.test("uncertaintyOfSum is the root of the sum of squares, and that of the worst where nothing flows", () => {
  assertAlmostEquals(uncertaintyOfSum([{ value: 3, relative: 1 }, { value: 4, relative: 1 }]), 5 / 7);
  assertEquals(uncertaintyOfSum([{ value: 0, relative: 0.05 }, { value: 0, relative: 0.25 }]), 0.25);
});
