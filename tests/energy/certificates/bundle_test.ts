import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodeUtf8, encodeUtf8 } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { readBundles } from "../../../src/energy/certificates/bundle.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import { intervalDocument, signDocument } from "../../../src/energy/certificates/sign.ts";
import { createIdentity } from "../../../src/identity/keys.ts";
import { assertBounded } from "../../support/decoders.ts";
import { consumed, sharedBundle, someBundle, TEN } from "./some.ts";

const read = (value: unknown) => readBundles(JSON.stringify(value), "the test's file");
const whyNot = (fields: Record<string, unknown>): string => {
  const [one] = read({ ...sharedBundle(), ...fields });
  assert(one !== undefined && one.bundle === undefined, `read ${JSON.stringify(fields)}`);
  return one.why;
};

Deno.test("readBundles reads the shared bundle", () => {
  const [one] = read(sharedBundle());
  const { raw, ...bundle } = one!.bundle!;
  assertEquals(raw, sharedBundle());
  assertEquals(bundle, {
    issuanceId: "1-2026-11-20T10:00:00",
    status: "Cancelled",
    accountId: 7,
    rangeStart: 1_000_001,
    rangeEnd: 1_000_420,
    quantity: 420,
    faceValue: 1,
    beneficiary: "kwaai-node:did:example:abc",
    carrier: "electricity",
    source: "solar_pv",
    deviceId: "1",
    startMs: TEN,
    endMs: TEN + HOUR_MS,
    isStorage: false,
    gramsPerKwh: undefined,
    statedZone: undefined,
    zone: undefined,
    issuer: undefined,
    registryId: undefined,
    signature: undefined,
    unknown: {},
  });
});

Deno.test("readBundles takes a bundle, a list, a query's answer, and bundles with metadata beside them", () => {
  const bundle = sharedBundle();
  const metadata = [{
    id: 3,
    country_of_issuance: "DE",
    issue_market_zone: "DE-LU",
    issuing_body: "Invented",
  }];
  assertEquals(read([bundle, bundle]).length, 2);
  assertEquals(read({ granular_certificate_bundles: [bundle], total_certificate_volume: 420 }).length, 1);
  const [one] = read({ bundles: [bundle], metadata });
  const { zone, statedZone, issuer } = one!.bundle!;
  // what stands beside a bundle is not what its issuer signed
  assertEquals([zone, statedZone, issuer], ["DE-LU", undefined, "Invented"]);
  assertEquals(read({ bundles: [], metadata: [] }), []);
});

Deno.test("readBundles keeps fields that it does not know apart", () => {
  const { unknown } = someBundle({ "new_field": { deep: [1] }, "__proto__x": 1, hash: "abc" });
  assertEquals(unknown, { "new_field": { deep: [1] }, "__proto__x": 1 });
  const [odd] = readBundles(
    JSON.stringify(sharedBundle()).replace("{", '{"__proto__":{"status":"Active"},'),
    "the test's file",
  );
  assertEquals(Object.keys(odd!.bundle!.unknown), ["__proto__"]);
  assertEquals(odd!.bundle!.status, "Cancelled");
});

Deno.test("readBundles takes times with and without a zone as UTC, and numbers for names", () => {
  const bundle = someBundle({
    issuance_id: 12,
    device_id: "gsrn-571313",
    production_starting_interval: "2026-11-20 10:00:00",
    production_ending_interval: "2026-11-20T12:00:00+01:00",
    is_storage: 0,
    beneficiary: null,
  });
  assertEquals([bundle.issuanceId, bundle.deviceId], ["12", "gsrn-571313"]);
  assertEquals([bundle.startMs, bundle.endMs], [TEN, TEN + HOUR_MS]);
  assertEquals([bundle.isStorage, bundle.beneficiary], [false, undefined]);
});

Deno.test("readBundles calls a bundle that was deleted at its registry split, whatever its status", () => {
  assertEquals(someBundle({ is_deleted: true }).status, "Bundle Split");
});

Deno.test("readBundles refuses a bundle of wrong numbers, times, names or texts, and says which field", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ bundle_quantity: 0 }, /"bundle_quantity" .*1 or more/],
    [{ bundle_quantity: -1 }, /"bundle_quantity"/],
    [{ bundle_quantity: 1.5 }, /"bundle_quantity" .*whole number/],
    [{ bundle_quantity: "420" }, /"bundle_quantity"/],
    [{ bundle_quantity: 2 ** 53 }, /"bundle_quantity" .*2\^53/],
    [{ bundle_quantity: 2 ** 52 }, /more than 1000000000000 Wh/],
    [{ certificate_bundle_id_range_start: -1 }, /range_start/],
    [{ certificate_bundle_id_range_end: 9_007_199_254_740_993 }, /range_end" .*2\^53/],
    [{ certificate_bundle_id_range_end: null }, /range_end/],
    [{ face_value: 0 }, /"face_value"/],
    [{ face_value: 1_000_001 }, /"face_value"/],
    [{ production_starting_interval: "yesterday" }, /production_starting_interval" .*2000 to 2100/],
    [{ production_starting_interval: "1999-12-31T23:00:00Z" }, /production_starting_interval/],
    [{ production_ending_interval: "2101-01-01T00:00:00Z" }, /production_ending_interval/],
    [{ production_ending_interval: 1_700_000_000 }, /production_ending_interval/],
    [{ energy_source: "perpetual motion" }, /"energy_source"/],
    [{ certificate_bundle_status: "cancelled!" }, /"certificate_bundle_status"/],
    [{ certificate_bundle_status: "unissued" }, /"certificate_bundle_status"/],
    [{ issuance_id: "" }, /"issuance_id"/],
    [{ issuance_id: "x".repeat(257) }, /"issuance_id"/],
    [{ issuance_id: "a\u001b[2Jb" }, /"issuance_id" .*plain text/],
    [{ beneficiary: "abc\u202ecba" }, /"beneficiary" .*plain text/],
    [{ beneficiary: "a\nb" }, /"beneficiary"/],
    [{ device_id: { id: 1 } }, /"device_id"/],
    [{ is_storage: "no" }, /"is_storage"/],
    [{ emissions_factor_production_device: -1 }, /emissions_factor/],
    [{ emissions_factor_production_device: 1e300 }, /emissions_factor/],
    [Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i])), /more than 100 fields/],
  ];
  for (const [fields, why] of cases) {
    const words = whyNot(fields);
    assert(why.test(words), `${words} for ${why}`);
    assert(!/[\p{Cc}\u202e]/u.test(words), words);
  }
});

Deno.test("readBundles reads the good bundles of a file beside a bad one", () => {
  const found = read([sharedBundle(), { ...sharedBundle(), face_value: 0 }, 7, sharedBundle()]);
  assertEquals(found.map(({ bundle }) => bundle !== undefined), [true, false, false, true]);
});

Deno.test("readBundles takes no node's own claim for a certificate", async () => {
  const identity = await createIdentity();
  const claim = {
    peerId: identity.peerId,
    atMs: TEN,
    fromMs: TEN,
    toMs: TEN + HOUR_MS,
    country: "DE",
    zone: "DE-LU",
  };
  const document = intervalDocument({ ...claim, consumption: [consumed(TEN, 40)], production: [] });
  const file = await signDocument(identity, document);
  assertThrows(() => read(file), NodeError, "wanted certificates that a registry issued");
  assertThrows(() => read(document), NodeError, "claims");
});

Deno.test("readBundles ends what is no bundle, or too many, in a NodeError", () => {
  for (const none of [null, 1, "x", true, { bundles: {} }, { bundles: [], metadata: [{}] }]) {
    assertThrows(() => read(none), NodeError);
  }
  assertThrows(() => read(Array(10_001).fill(0)), NodeError, "at most 10000");
  for (const text of ["", "{", "<html>502</html>", "\ufeff{}", "NaN", "[".repeat(5_000_000)]) {
    assertThrows(() => readBundles(text, "the test's file"), NodeError);
  }
  for (const empty of [{}, [{}], [[]]]) assertEquals(read(empty)[0]!.bundle, undefined);
});

Deno.test("readBundles ends every cut, flipped, random file and every odd value in a value or a NodeError", () => {
  const file = encodeUtf8(JSON.stringify({ bundles: [sharedBundle()], metadata: [{ id: 3 }] }));
  assertBounded((bytes) => readBundles(decodeUtf8(bytes), "the test's file"), file);
  const fields = Object.keys(sharedBundle());
  fc.assert(
    fc.property(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 3 }), (field, value) => {
      const [one] = read({ ...sharedBundle(), [field]: value });
      if (one!.bundle !== undefined) assert(Number.isSafeInteger(one!.bundle.quantity));
    }),
    { numRuns: 2000 },
  );
});
