import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { Float, pack } from "../../../src/base/msgpack.ts";
import type { SessionEnergy } from "../../../src/petals/report.ts";
import { asksForEnergy, decodeSessionEnergy, encodeSessionEnergy } from "../../../src/petals/wire/energy.ts";
import { decodeExpertResponse, encodeExpertResponse } from "../../../src/petals/wire/expert.ts";
import { readMetadata } from "../../../src/petals/wire/metadata.ts";
import { assertBounded } from "../../support/decoders.ts";

const ENERGY: SessionEnergy = {
  joules: 12.5,
  tokens: 40,
  kind: "measured",
  scope: "board",
  uncertainty: 0.05,
};

Deno.test("the energy of a session survives the way in a reply, and a reply without any has the bytes of a stock server", () => {
  const tensors = [Uint8Array.of(1, 2)];
  const { metadata } = decodeExpertResponse(
    encodeExpertResponse({ tensors, metadata: encodeSessionEnergy(ENERGY) }),
  );
  assertEquals(decodeSessionEnergy(metadata!), ENERGY);
  const unknown = { ...ENERGY, uncertainty: null };
  assertEquals(decodeSessionEnergy(encodeSessionEnergy(unknown)), unknown);
  assertEquals([...encodeExpertResponse({ tensors })], [0x12, 2, 1, 2]);
  assertEquals(decodeExpertResponse(encodeExpertResponse({ tensors })).metadata, undefined);
});

Deno.test("a client asks with a flag, and anything else is no question", () => {
  assertEquals(asksForEnergy(readMetadata(pack({ kwaai_energy: true }))), true);
  for (const value of [false, 1, "true", null]) {
    assertEquals(asksForEnergy(readMetadata(pack({ kwaai_energy: value }))), false);
  }
});

Deno.test("what a server says of its energy is bounded, and other metadata is none", () => {
  assertEquals(decodeSessionEnergy(new Uint8Array(0)), undefined);
  assertEquals(decodeSessionEnergy(pack({ something: 1 })), undefined);
  const said = (change: Record<string, unknown>) =>
    pack(
      {
        kwaai_energy: { joules: new Float(1), tokens: 1, kind: "measured", scope: "board", ...change },
      } as never,
    );
  assertEquals(decodeSessionEnergy(said({}))?.uncertainty, null);
  for (
    const change of [
      { joules: new Float(-1) },
      { joules: new Float(NaN) },
      { joules: new Float(Infinity) },
      { tokens: 2 ** 40 },
      { kind: "none" },
      { scope: "\u001b[31m" },
      { uncertainty: new Float(-0.1) },
    ]
  ) assertThrows(() => decodeSessionEnergy(said(change)), NodeError);
  assertThrows(() => decodeSessionEnergy(new Uint8Array(600)), NodeError);
  assertBounded(decodeSessionEnergy, encodeSessionEnergy(ENERGY));
});
