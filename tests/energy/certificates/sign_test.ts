import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { createPublicKey, verify } from "node:crypto";
import { decodeUtf8, fromHex, toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { parseJson } from "../../../src/energy/certificates/bounded_json.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import {
  canonicalBytes,
  checkDocument,
  intervalDocument,
  signDocument,
  type SignedDocument,
} from "../../../src/energy/certificates/sign.ts";
import { createIdentity, decodeIdentity, type Identity } from "../../../src/identity/keys.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";
import { consumed, produced, TEN } from "./some.ts";

const canonical = (value: object) => decodeUtf8(canonicalBytes(value));

Deno.test("canonicalBytes writes the sample of RFC 8785, 3.2.4, byte for byte", () => {
  const sample = String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`;
  assertEquals(
    toHex(canonicalBytes(JSON.parse(sample))),
    "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e333333" +
      "333333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e412742" +
      "5c225c5c5c5c5c222f227d",
  );
});

Deno.test("canonicalBytes sorts names by UTF-16 units, as RFC 8785, 3.2.3, does", () => {
  const names = String
    .raw`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
    "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`;
  assertEquals(Object.values(JSON.parse(canonical(JSON.parse(names)))).length, 7);
  const order = [...canonical(JSON.parse(names)).matchAll(/":"(\w+)/g)].map(([, word]) => word);
  assertEquals(order, ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]);
});

Deno.test("canonicalBytes writes numbers as in RFC 8785, appendix B", () => {
  const numbers: [string, string][] = [
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ];
  for (const [bits, text] of numbers) {
    const number = new DataView(fromHex(bits).buffer).getFloat64(0);
    assertEquals(canonical([number]), `[${text}]`, bits);
  }
  for (const none of [[NaN], [Infinity], ["\ud800"], { "\udc00": 1 }]) {
    assertThrows(() => canonicalBytes(none), NodeError, "canonical form");
  }
});

const claimOf = (identity: Identity) =>
  intervalDocument({
    peerId: identity.peerId,
    atMs: TEN + 5 * HOUR_MS,
    fromMs: TEN,
    toMs: TEN + 3 * HOUR_MS,
    country: "DE",
    zone: "DE-LU",
    consumption: [consumed(TEN, 42.9), consumed(TEN + 2 * HOUR_MS, 7, { coverage: 0.9 })],
    production: [produced(TEN, 420.999)],
  });

const copy = (document: SignedDocument) => JSON.parse(JSON.stringify(document));

Deno.test("signDocument makes a file that anyone can check with nothing but the file", async () => {
  const rsa = decodeIdentity(bytesOf(vectors.identity.rsa_identity_file_hex));
  for (const identity of [await createIdentity(), rsa]) {
    const file = JSON.stringify(await signDocument(identity, claimOf(identity)), null, 1);
    const check = await checkDocument(parseJson(file, "the test's file"));
    assert(check.valid);
    assertEquals(check.peerId, identity.peerId);
    assertEquals(check.document.issued, false);
  }
});

Deno.test("signDocument's signature is checked by a foreign library over the sorted text", async () => {
  const identity = await createIdentity();
  const { signature, ...document } = copy(await signDocument(identity, claimOf(identity)));
  const sort = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(sort) : typeof value === "object" && value !== null
      ? Object.fromEntries(
        Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, sort(v)]),
      )
      : value;
  const raw = Buffer.from(signature.publicKey, "base64").subarray(4);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  const text = Buffer.from(JSON.stringify(sort(document)));
  assertEquals(verify(null, text, key, Buffer.from(signature.value, "base64")), true);
});

Deno.test("signDocument signs for nobody else", async () => {
  const [ours, other] = [await createIdentity(), await createIdentity()];
  await assertRejects(() => signDocument(other, claimOf(ours)), TypeError);
});

Deno.test("checkDocument finds a change of any field, also of one that it does not know", async () => {
  const identity = await createIdentity();
  const signed = await signDocument(identity, claimOf(identity));
  const changes: ((document: ReturnType<typeof copy>) => void)[] = [
    (d) => d.consumption[0].interval_usage++,
    (d) => d.production[0].bundle_quantity = 0,
    (d) => d.zone = "FR",
    (d) => d.consumption.pop(),
    (d) => d.consumption[1].measured = true,
    (d) => d.created = "2026-11-20T15:00:01Z",
    (d) => d.note = "added later",
    (d) => d.statement = "This is a certificate.",
    (d) => d.consumption[0].extra = 1,
  ];
  for (const change of changes) {
    const document = copy(signed);
    change(document);
    assertEquals((await checkDocument(document)).valid, false, change.toString());
  }
});

Deno.test("checkDocument refuses a device's signature under another's name, or over rows that are no hours of it", async () => {
  const [ours, other] = [await createIdentity(), await createIdentity()];
  const claim = claimOf(ours);
  const resign = async (changed: object) =>
    await checkDocument(copy({ ...await signDocument(ours, { ...claim, ...changed }) }));
  assert((await resign({})).valid);
  const row = claim.consumption[0]!;
  const cases = [
    { consumption: [row, row] },
    { consumption: [{ ...row, device_id: `${other.peerId}:consumption` }] },
    { consumption: [{ ...row, interval_end_datetime: "2026-11-20T12:00:00Z" }] },
    { consumption: [{ ...row, interval_start_datetime: "2026-11-20T10:30:00Z" }] },
    { consumption: [{ ...row, kind: "modelled" as const }] },
    { consumption: [{ ...row, coverage: 0.5 }] },
  ];
  for (const changed of cases) assertEquals((await resign(changed)).valid, false, JSON.stringify(changed));

  const stolen = copy({ ...await signDocument(ours, claim) });
  const theirs = copy({ ...await signDocument(other, claimOf(other)) });
  assertEquals((await checkDocument({ ...stolen, signature: theirs.signature })).valid, false);
});

Deno.test("checkDocument takes no document that says it was issued, or that is none", async () => {
  const identity = await createIdentity();
  const signed = copy(await signDocument(identity, claimOf(identity)));
  const none: unknown[] = [null, 1, "x", [], {}, { ...signed, issued: true }, {
    ...signed,
    certificate_bundle_status: "Cancelled",
  }, { ...signed, consumption: Array(20_000).fill(signed.consumption[0]) }];
  for (const each of none) await assertRejects(() => checkDocument(each), NodeError);
});

Deno.test("parseJson and checkDocument end every cut, flipped or random file in a value or a NodeError", async () => {
  const identity = await createIdentity();
  const file = new TextEncoder().encode(JSON.stringify(await signDocument(identity, claimOf(identity))));
  const pending: Promise<unknown>[] = [];
  assertBounded((bytes) => {
    const value = parseJson(decodeUtf8(bytes), "the test's file");
    pending.push(
      checkDocument(value).then((check) => check.valid, (error) => {
        assert(error instanceof NodeError, String(error));
        return false;
      }),
    );
  }, file);
  const valid = (await Promise.all(pending)).filter((each) => each === true);
  assertEquals(valid.length, 0);
});

Deno.test("parseJson refuses what is too deep or too long before it is parsed", () => {
  for (const text of ["[".repeat(1_000_000), `{"a":`.repeat(100_000), `${"[".repeat(17)}${"]".repeat(17)}`]) {
    assertThrows(() => parseJson(text, "it"), NodeError, "nested deeper");
  }
  assertThrows(() => parseJson(" ".repeat(9 << 20), "it"), NodeError, "longer than");
  assertEquals(parseJson(`["[[[[[[[[[[[[[[[[[[[[\\"[[[["]`, "it"), ['[[[[[[[[[[[[[[[[[[[["[[[[']);
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
    const text = JSON.stringify(value);
    assertEquals(JSON.stringify(parseJson(text, "it")), text);
  }));
});
