import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { NodeError } from "../../../src/base/errors.ts";
import { type IssuerKeys, readIssuerKeys, vouchByKey } from "../../../src/energy/certificates/issuer_keys.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import { canonicalBytes } from "../../../src/energy/certificates/sign.ts";
import { judge, type Terms, type Voucher } from "../../../src/energy/certificates/verify.ts";
import { sharedBundle, someBundle, TEN, wh } from "./some.ts";

const TERMS: Terms = {
  beneficiaries: ["kwaai-node:did:example:abc"],
  accountId: 7,
  zones: ["DE-LU", "10Y1001A1001A82H"],
  consumedIn: (startMs) => startMs === TEN ? wh(500) + 1n : undefined,
};
const BY_KEY: Voucher = { by: "key:Invented", zone: "DE-LU" };

function reasonsFor(
  fields: Record<string, unknown>,
  terms: Partial<Terms> = {},
  voucher: Voucher = BY_KEY,
): string {
  const judgement = judge(someBundle(fields), { ...TERMS, ...terms }, voucher);
  return judgement.verdict === "refused" ? judgement.reasons.join("; ") : judgement.certificate.evidence;
}

Deno.test("judge takes a cancelled bundle of our hour and zone that somebody vouches for as class B", () => {
  const judgement = judge(someBundle(), TERMS, BY_KEY);
  assert(judgement.verdict === "accepted");
  assertEquals(judgement.mostWattHours, 500n);
  assertEquals(judgement.certificate, {
    issuanceId: "1-2026-11-20T10:00:00",
    deviceId: "1",
    rangeStart: 1_000_001,
    rangeEnd: 1_000_420,
    wattHours: 420n,
    source: "solar_pv",
    zone: "DE-LU",
    startMs: TEN,
    endMs: TEN + HOUR_MS,
    gramsPerKwh: undefined,
    evidence: "B",
    by: "key:Invented",
  });
  assertEquals(reasonsFor({ certificate_bundle_status: "Claimed" }), "B");
  assertEquals(reasonsFor({ issue_market_zone: "10y1001a1001a82h" }), "B");
});

Deno.test("judge refuses with every reason at once", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ certificate_bundle_status: "Active" }, /^its status is Active, wanted Cancelled or Claimed/],
    [{ certificate_bundle_status: "Reserved" }, /its status is Reserved/],
    [{ certificate_bundle_status: "Cancelled for Storage" }, /its status is/],
    [{ is_deleted: true }, /its status is Bundle Split/],
    // a child that the reference registry's partial cancellation makes: start + quantity instead of start + quantity - 1
    [{ certificate_bundle_id_range_end: 1_000_421 }, /counts 420 certificates .* wanted end - start \+ 1/],
    [{ bundle_quantity: 421 }, /counts 421 certificates/],
    [{ certificate_bundle_id_range_end: 5 }, /wanted end - start \+ 1/],
    [{ energy_carrier: "hydrogen" }, /another energy carrier/],
    [{ is_storage: true }, /storage device/],
    [{ beneficiary: "somebody else" }, /beneficiary is another/],
    [{ beneficiary: "KWAAI-NODE:did:example:abc" }, /beneficiary is another/],
    [{ beneficiary: null, account_id: 8 }, /names no beneficiary/],
    [{ beneficiary: null, account_id: null }, /names no beneficiary/],
    [{ issue_market_zone: "FR" }, /its zone is another, wanted DE-LU or 10Y/],
    [{ production_ending_interval: "2026-11-20T10:00:00Z" }, /ends before it begins/],
    [{ production_ending_interval: "2026-11-20T09:00:00Z" }, /ends before it begins/],
    [{
      production_starting_interval: "2026-11-20T10:30:00Z",
      production_ending_interval: "2026-11-20T11:30:00Z",
    }, /two hours/],
    [{
      production_starting_interval: "2026-11-20T12:00:00Z",
      production_ending_interval: "2026-11-20T13:00:00Z",
    }, /books have no consumption for 2026-11-20T12:00:00Z/],
    [{ production_starting_interval: "2024-11-20T12:00:00Z" }, /longer than a year/],
    [
      { certificate_bundle_status: "Active", is_storage: true, beneficiary: "x" },
      /status.*storage.*beneficiary/,
    ],
  ];
  for (const [fields, reasons] of cases) assertMatch(reasonsFor(fields), reasons);
  assertEquals(reasonsFor({ beneficiary: null }), "B");
  assertMatch(reasonsFor({ beneficiary: null }, { accountId: undefined }), /names no beneficiary/);
});

Deno.test("judge takes parts of an hour, and calls what is longer than an hour yearly", () => {
  const quarter = {
    production_starting_interval: "2026-11-20T10:15:00Z",
    production_ending_interval: "2026-11-20T10:30:00Z",
  };
  assertEquals(reasonsFor(quarter), "B");
  const longer = { production_ending_interval: "2026-11-20T11:00:01Z" };
  assertEquals(reasonsFor(longer), "C");
  assertEquals(
    reasonsFor({ production_starting_interval: "2026-01-01", production_ending_interval: "2027-01-01" }),
    "C",
  );
  const yearly = judge(someBundle(longer), TERMS, BY_KEY);
  assertEquals(yearly.verdict === "accepted" && yearly.mostWattHours, undefined);
});

Deno.test("judge gives class E where nobody vouches, no zone is set, or the zone is outside what was vouched for", () => {
  assertEquals(reasonsFor({}, {}, { by: undefined, why: "no key" }), "E");
  assertEquals(reasonsFor({}, { zones: [] }), "E");
  assertEquals(reasonsFor({ issue_market_zone: null }, {}, { by: "key:x", zone: undefined }), "E");
  assertEquals(reasonsFor({}, {}, { by: "registry:x", zone: "FR" }), "E");
  assertMatch(
    reasonsFor({}, {}, { by: undefined, why: "the signature is wrong", against: true }),
    /^the signature is wrong$/,
  );
});

function issuer(type: "ed25519" | "rsa"): { keys: IssuerKeys; privateKey: KeyObject } {
  const pair = type === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ed25519");
  const spki = Buffer.from(pair.publicKey.export({ format: "der", type: "spki" })).toString("base64");
  return { keys: readIssuerKeys([`Invented Registry=${spki}`]), privateKey: pair.privateKey };
}

const signed = (fields: Record<string, unknown>, key: KeyObject) => {
  const bundle = {
    ...sharedBundle(),
    issue_market_zone: "DE-LU",
    issuing_body: "Invented Registry",
    ...fields,
  };
  const digest = key.asymmetricKeyType === "rsa" ? "sha256" : null;
  return { ...bundle, issuer_signature: sign(digest, canonicalBytes(bundle), key).toString("base64") };
};

Deno.test("vouchByKey believes an issuer's signature over all fields, and speaks against a wrong one", () => {
  for (const type of ["ed25519", "rsa"] as const) {
    const { keys, privateKey } = issuer(type);
    const good = signed({ unknown_field: [1, { a: "ä" }] }, privateKey);
    assertEquals(vouchByKey(someBundle(good), keys), { by: "key:Invented Registry", zone: "DE-LU" });
    const changes = [
      { bundle_quantity: 421 },
      { beneficiary: "somebody else" },
      { certificate_bundle_status: "Claimed" },
      { issue_market_zone: "FR" },
      { unknown_field: [] },
      { another_field: 1 },
      { issuer_signature: "AAAA" },
      { issuer_signature: "%%%" },
    ];
    for (const change of changes) {
      const voucher = vouchByKey(someBundle({ ...good, ...change }), keys);
      assertEquals([voucher.by, "against" in voucher], [undefined, true], JSON.stringify(change));
    }
  }
});

Deno.test("vouchByKey does not believe a zone that stands outside of what was signed", () => {
  const { keys, privateKey } = issuer("ed25519");
  const voucher = vouchByKey(someBundle(signed({ issue_market_zone: null }, privateKey)), keys);
  assertEquals(voucher, { by: "key:Invented Registry", zone: undefined });
});

Deno.test("vouchByKey vouches for nothing without key or signature, and one issuer not for another", () => {
  const { keys, privateKey } = issuer("ed25519");
  const nobody = [
    vouchByKey(someBundle(signed({}, privateKey)), new Map()),
    vouchByKey(someBundle(), keys),
    vouchByKey(someBundle(signed({ issuing_body: "Another" }, privateKey)), keys),
  ];
  for (const voucher of nobody) assertEquals([voucher.by, "against" in voucher], [undefined, false]);
});

Deno.test("readIssuerKeys refuses what is no Ed25519 or RSA key", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const curve = Buffer.from(publicKey.export({ format: "der", type: "spki" })).toString("base64");
  for (const setting of ["x=AAAA", "x=MCowBQYDK2VwAyEA", `x=${curve}`]) {
    assertThrows(() => readIssuerKeys([setting]), NodeError, "wanted an Ed25519 or RSA public key");
  }
});
