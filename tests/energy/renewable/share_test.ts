import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { addUp, shareOf } from "../../../src/energy/renewable/share.ts";

const alone = { nodeWatts: 10, hasSiteMeter: false };

Deno.test("With a site meter the share is min(P_pv, P_site) / P_site, of class A", () => {
  const share = (power: Parameters<typeof shareOf>[0]) => shareOf(power, alone);
  assertEquals(share({ pvWatts: 300, siteWatts: 400 }), { share: 0.75, basis: "site_meter", evidence: "A" });
  assertEquals(share({ pvWatts: 3000, siteWatts: 400 }).share, 1);
  assertEquals(share({ pvWatts: 0, siteWatts: 400 }), { share: 0, basis: "site_meter", evidence: "A" });
});

Deno.test("What comes from the grid at the same time is not own: a battery that is charged takes first", () => {
  const power = addUp([{ pvWatts: 3000, batteryWatts: -2500 }, { gridWatts: 500 }]);
  assertEquals(power.siteWatts, 1000);
  assertEquals(shareOf(power, alone).share, 0.5);
  // what a battery gives at night is not generation of now
  assertEquals(shareOf(addUp([{ pvWatts: 0, batteryWatts: 800 }, { gridWatts: 0 }]), alone).share, 0);
});

Deno.test("With generation alone the share assumes that this node comes first, and says so", () => {
  assertEquals(shareOf({ pvWatts: 4 }, alone), { share: 0.4, basis: "assumes_node_first", evidence: "E" });
  assertEquals(shareOf({ pvWatts: 4000 }, alone).share, 1);
  const none = { share: null, basis: null, evidence: null };
  assertEquals(shareOf({ pvWatts: 4 }, { nodeWatts: undefined, hasSiteMeter: false }), none);
  assertEquals(shareOf({ siteWatts: 400 }, alone), none);
});

Deno.test("A site meter that has fallen silent leaves the share unknown", () => {
  assertEquals(shareOf({ pvWatts: 4 }, { nodeWatts: 10, hasSiteMeter: true }).share, null);
});

Deno.test("addUp: generation of all, the first meter, and what the site uses by measurement before by balance", () => {
  assertEquals(addUp([]), {});
  assertEquals(
    addUp([{ pvWatts: 1 }, { pvWatts: 2, siteWatts: 9 }, { siteWatts: 7, gridWatts: 5 }, { gridWatts: 6 }]),
    {
      pvWatts: 3,
      siteWatts: 9,
      gridWatts: 5,
    },
  );
  // a grid meter alone does not tell what the site uses beside an inverter that is silent
  assertEquals(addUp([{ gridWatts: 5 }]), { gridWatts: 5 });
  // two meters that differ by what they are off
  assertEquals(addUp([{ pvWatts: 3000 }, { gridWatts: -3000.2 }]).siteWatts, undefined);
});

Deno.test("The share is always between 0 and 1, and never more than generation by use", () => {
  const watts = fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { nil: undefined });
  const value = fc.record({ pvWatts: watts, siteWatts: watts, gridWatts: watts, batteryWatts: watts });
  fc.assert(fc.property(fc.array(value, { maxLength: 4 }), watts, (values, nodeWatts) => {
    const given = values.map((each) =>
      Object.fromEntries(Object.entries(each).filter(([, number]) => number !== undefined))
    );
    const power = addUp(given);
    const { share, basis } = shareOf(power, { nodeWatts, hasSiteMeter: false });
    if (share === null) return;
    assert(share >= 0 && share <= 1);
    if (basis === "site_meter") assert(share * power.siteWatts! <= Math.max(0, power.pvWatts!) + 1e-6);
  }));
});
