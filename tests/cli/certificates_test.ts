import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, sign } from "node:crypto";
import { Output, type Sink } from "../../src/cli/output.ts";
import { run } from "../../src/cli/run.ts";
import { addProduction } from "../../src/energy/certificates/production_book.ts";
import { HOUR_MS } from "../../src/energy/certificates/quantities.ts";
import { canonicalBytes } from "../../src/energy/certificates/sign.ts";
import { openLedger } from "../../src/energy/ledger.ts";
import type { LedgerRecord } from "../../src/energy/ledger_record.ts";
import { openIdentity } from "../../src/identity/keys.ts";
import { openFakeRegistry } from "../energy/certificates/registry_server.ts";
import { produced, sharedBundle, TEN, wh } from "../energy/certificates/some.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";

class TextSink implements Sink {
  text = "";
  writeSync(bytes: Uint8Array): number {
    this.text += new TextDecoder().decode(bytes);
    return bytes.length;
  }
}

const PERIOD = ["--from", "2026-11-20T10:00Z", "--to", "2026-11-20T14:00Z"];
const ISSUER = generateKeyPairSync("ed25519");
const SPKI = Buffer.from(ISSUER.publicKey.export({ format: "der", type: "spki" })).toString("base64");
const SETTINGS = ["--set", `certificates.issuer_keys=Invented=${SPKI}`, "--set", "certificates.zones=DE-LU"];

/** A data folder with an identity and the books of four hours: 500 Wh, 10 Wh of half an hour, none, 300 Wh. */
async function openHome() {
  const folder = await temporaryFolder();
  const identity = await openIdentity(`${folder.path}/identity.key`);
  await using ledger = await openLedger(fakeWorld(), `${folder.path}/ledger`);
  const record = (hour: number, wattHours: number, more: Partial<LedgerRecord> = {}): LedgerRecord => ({
    startMs: TEN + hour * HOUR_MS,
    microjoules: { serve: wh(wattHours) - 5n, idle: 3n, other: 2n },
    localMicrojoules: 0n,
    tokens: 1,
    blockTokens: 1,
    elapsedMs: HOUR_MS,
    coveredMs: HOUR_MS,
    kind: "measured",
    uncertainty: 0.05,
    evidence: null,
    intensity: {
      gramsPerKwh: 400,
      method: "lifecycle",
      quality: "yearly",
      provider: "table",
      zone: "DE",
      uncertainty: 0.15,
      renewableRatio: null,
    },
    marketGramsPerKwh: null,
    marginalGramsPerKwh: null,
    ...more,
  });
  await ledger.add(record(0, 500));
  await ledger.add(record(1, 10, { elapsedMs: HOUR_MS / 2, coveredMs: HOUR_MS / 2 }));
  await ledger.add(record(3, 300, { localMicrojoules: wh(100), evidence: "A" }));
  await addProduction(`${folder.path}/ledger`, [
    produced(TEN + 3 * HOUR_MS, 2000.999, { siteMilliwattHours: 6_000_000n }),
  ]);
  const ask = async (...args: string[]) => {
    const [out, err] = [new TextSink(), new TextSink()];
    const code = await run(["certificates", ...args, "--data-dir", folder.path], new Output(out, err));
    return { code, out: out.text, err: err.text };
  };
  const json = async (...args: string[]) => {
    const { code, out, err } = await ask(...args, "--json");
    assert(out !== "", err);
    return { code, ...JSON.parse(out) };
  };
  let files = 0;
  const file = async (value: unknown) => {
    const path = `${folder.path}/file${files++}.json`;
    await Deno.writeTextFile(path, typeof value === "string" ? value : JSON.stringify(value));
    return path;
  };
  const bundle = (fields: Record<string, unknown> = {}, key = ISSUER.privateKey) => {
    const issued = {
      ...sharedBundle(),
      beneficiary: `kwaai-node:${identity.peerId}`,
      issue_market_zone: "DE-LU",
      issuing_body: "Invented",
      ...fields,
    };
    return { ...issued, issuer_signature: sign(null, canonicalBytes(issued), key).toString("base64") };
  };
  return {
    folder,
    identity,
    ask,
    json,
    file,
    bundle,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("certificates export writes signed hours of the books, which verify finds whole or changed", async () => {
  await using home = await openHome();
  const path = `${home.folder.path}/hours.json`;
  const { code, out, err } = await home.ask(
    "export",
    ...PERIOD,
    "--output",
    path,
    "--set",
    "certificates.zones=DE-LU",
  );
  assertEquals([code, out], [0, ""]);
  assertMatch(
    err,
    /^Wrote 3 h of consumption and 1 h of production, 1 h are missing\. It is a claim .* not a certificate\.\n$/,
  );
  const document = JSON.parse(await Deno.readTextFile(path));
  assertEquals([document.issued, document.certificate_bundle_status, document.zone], [
    false,
    "unissued",
    "DE-LU",
  ]);
  assertMatch(document.statement, /not a certificate: nothing was issued/);
  const rows = document.consumption.map((row: Record<string, unknown>) => [
    row["interval_start_datetime"],
    row["interval_usage"],
    row["measured"],
    row["own_usage"],
  ]);
  assertEquals(rows, [
    ["2026-11-20T10:00:00Z", 500, true, null],
    ["2026-11-20T11:00:00Z", 10, false, null],
    ["2026-11-20T13:00:00Z", 300, true, 100],
  ]);
  const [roof] = document.production;
  assertEquals([roof.bundle_quantity, roof.site_usage, roof.energy_source], [2000, 6000, "solar_pv"]);
  const good = await home.json("verify", path);
  assertEquals([good.code, good.valid, good.peerId, good.issued], [0, true, home.identity.peerId, false]);
  document.consumption[1].measured = true;
  const changed = await home.json("verify", await home.file(document));
  assertEquals([changed.code, changed.valid], [1, false]);
  assertMatch((await home.ask("verify", path)).out, /It is a claim of that device, not a certificate/);
  assertMatch((await home.ask("import", path)).err, /wanted certificates that a registry issued/);
  // what is not over yet is not told of
  assertMatch(
    (await home.ask("export", "--from", "2099-01-01", "--to", "2099-01-02")).out,
    /"consumption": \[\]/,
  );
});

Deno.test("certificates import counts a vouched bundle once, and match finds it in its hour", async () => {
  await using home = await openHome();
  const path = await home.file([home.bundle()]);
  const looked = await home.json("verify", path, ...SETTINGS);
  assertEquals([looked.code, looked.imported, looked.counted], [0, false, 1]);
  assertEquals((await home.json("match", ...PERIOD)).greenMilliwattHours, 100_000);

  const imported = await home.json("import", path, ...SETTINGS);
  assertEquals([imported.code, imported.counted, imported.refused, imported.issued], [0, 1, 0, false]);
  const [one] = imported.bundles;
  assertEquals([one.outcome, one.evidence, one.by, one.wattHours], ["counted", "B", "key:Invented", 420]);
  const again = await home.json("import", path, ...SETTINGS);
  assertEquals([again.code, again.known, again.counted], [0, 1, 0]);

  const overlapping = {
    certificate_bundle_id_range_start: 1_000_420,
    certificate_bundle_id_range_end: 1_000_429,
    bundle_quantity: 10,
  };
  const refused = await home.json("import", await home.file(home.bundle(overlapping)), ...SETTINGS);
  assertEquals([refused.code, refused.refused], [1, 1]);
  assertMatch(refused.bundles[0].reasons[0], /1000001 to 1000420 of it are used already/);
  const tooMuch = {
    certificate_bundle_id_range_start: 1,
    certificate_bundle_id_range_end: 81,
    bundle_quantity: 81,
  };
  const full = await home.json("import", await home.file(home.bundle(tooMuch)), ...SETTINGS);
  assertMatch(
    full.bundles[0].reasons[0],
    /used 500 Wh and has 420 Wh of certificates: 81 Wh more are too many/,
  );

  const report = await home.json("match", ...PERIOD, "--set", "certificates.zones=DE-LU");
  assertEquals([report.schema, report.issued, report.missingHours, report.zones], [1, false, 1, ["DE-LU"]]);
  assertEquals([report.consumedMilliwattHours, report.greenMilliwattHours], [810_000, 520_000]);
  assertEquals(report.measuredMilliwattHours, 800_000);
  assertEquals(report.cfe, 0.641975);
  assertEquals(report.bySource, [
    { class: "A", source: "solar_pv", milliwattHours: 100_000 },
    { class: "B", source: "solar_pv", milliwattHours: 420_000 },
  ]);
  // 710 Wh from the grid; 290 Wh of it not matched; 520 Wh matched
  const { locationGrams, marketGrams, avoidedGrams } = report.emissions;
  assertEquals([locationGrams, marketGrams, avoidedGrams], [284, 116, 208]);
  assertEquals(report.hours.map(({ evidence }: { evidence: string }) => evidence), ["D", "D", "D"]);
  assert(!/carbon-negative/i.test(JSON.stringify(report)));
  const { out } = await home.ask("match", ...PERIOD);
  assertMatch(out, /CFE: 64\.19 % \(520 of 810 Wh\); 1 hours have no figure/);
  assertMatch(out, /Avoided, against the average of the grid: 208 g CO2e\n/);
  // the licence of the built-in table wants its makers named
  assertMatch(out, /Grid: lifecycle grams of DE in 3 hours; .*CC BY/);
  assertEquals([report.grid.zones, report.device], [["DE"], home.identity.peerId]);
});

Deno.test("certificates import shows what nobody vouches for, and refuses what is not ours or forged", async () => {
  await using home = await openHome();
  const plain = { ...sharedBundle(), beneficiary: home.identity.peerId };
  const shown = await home.json("import", await home.file(plain), ...SETTINGS);
  assertEquals([shown.code, shown.counted, shown.shown, shown.bundles[0].evidence], [0, 0, 1, "E"]);
  const report = await home.json("match", ...PERIOD);
  assertEquals([report.greenMilliwattHours, report.notCounted.wordMilliwattHours], [100_000, 420_000]);

  const forger = generateKeyPairSync("ed25519").privateKey;
  const file = await home.file({
    bundles: [
      home.bundle({}, forger),
      { ...home.bundle(), beneficiary: "x" },
      home.bundle({ issue_market_zone: "FR" }),
      7,
    ],
  });
  const refused = await home.json("import", file, ...SETTINGS);
  assertEquals([refused.code, refused.refused], [1, 4]);
  const reasons = refused.bundles.map((each: { reasons: string[] }) => each.reasons.join("; "));
  assertMatch(reasons[0], /signature is wrong/);
  assertMatch(reasons[1], /beneficiary is another.*signature is wrong/);
  assertMatch(reasons[2], /zone is another/);
  assertMatch(reasons[3], /bundle 4 of .* wanted an object/);
  // without zones of its own, the grid's name is the zone
  const grid = ["--set", "carbon.zone=FR", ...SETTINGS.slice(0, 2)];
  const other = await home.json("verify", await home.file(home.bundle()), ...grid);
  assertMatch(other.bundles[0].reasons[0], /zone is another, wanted FR/);
  // what somebody vouches for takes the place of a word
  const vouched = await home.json("import", await home.file(home.bundle()), ...SETTINGS);
  assertEquals([vouched.code, vouched.counted], [0, 1]);
});

Deno.test("certificates match and import take the signed hours of a file in place of the books", async () => {
  await using home = await openHome();
  const path = `${home.folder.path}/hours.json`;
  await home.ask("export", ...PERIOD, "--output", path);
  await using other = await openHome();
  await Deno.remove(`${other.folder.path}/ledger`, { recursive: true });
  const named = ["--set", `certificates.beneficiary=kwaai-node:${home.identity.peerId}`];
  const imported = await other.json(
    "import",
    await other.file(home.bundle()),
    ...SETTINGS,
    ...named,
    "--hours",
    path,
  );
  assertEquals(imported.counted, 1, JSON.stringify(imported.bundles));
  const report = await other.json("match", ...PERIOD, "--hours", path);
  assertEquals([report.greenMilliwattHours, report.consumedMilliwattHours], [520_000, 810_000]);
  assertEquals(report.device, home.identity.peerId);
  const broken = JSON.parse(await Deno.readTextFile(path));
  broken.consumption[0].interval_usage = 1;
  const { code, err } = await other.ask("match", ...PERIOD, "--hours", await other.file(broken));
  assertEquals(code, 1);
  assertMatch(err, /changed after it was signed/);
});

Deno.test("certificates registry sends nothing but what was asked for, and nothing that changes without --send", async () => {
  await using home = await openHome();
  await using registry = openFakeRegistry({ token: "a secret" });
  const settings = [
    "registry=" + registry.url,
    "registry_token=a secret",
    "account_id=7",
    "user_id=2",
    "device_id=4",
    "zones=DE-LU",
  ]
    .flatMap((each) => ["--set", `certificates.${each}`]);
  registry.bundles.push({
    ...sharedBundle(),
    certificate_bundle_status: "Active",
    beneficiary: null,
    id: 11,
    production_starting_interval: "2026-11-20T10:00:00",
    production_ending_interval: "2026-11-20T11:00:00",
  });

  for (
    const action of [["cancel", "11"], ["claim", "11"], ["submit", ...PERIOD], [
      "query",
      ...PERIOD,
      "--dry-run",
    ]]
  ) {
    for (const send of action[0] === "query" ? [[]] : [[], ["--send", "--dry-run"]]) {
      const shown = await home.json("registry", ...action, ...send, ...settings);
      assertEquals([shown.code, shown.dryRun, shown.issued], [0, true, false]);
      assert(shown.requests.length > 0 && !JSON.stringify(shown).includes("a secret"));
      const { out } = await home.ask("registry", ...action, ...send, ...settings);
      assertMatch(out, /Nothing was sent to http/);
    }
  }
  assertEquals(registry.requests, []);

  const theirs = `${home.folder.path}/theirs.json`;
  assertEquals(
    (await home.ask("registry", "cancel", "11", "--send", ...settings)).out,
    "/certificate/cancel: accepted as 1\n",
  );
  assertEquals((await home.json("registry", "claim", "11", "--send", ...settings)).receipts, [2]);
  assertEquals((await home.ask("registry", "query", ...PERIOD, ...settings, "--output", theirs)).code, 0);
  const imported = await home.json("import", theirs, "--ask-registry", ...settings);
  assertEquals([imported.code, imported.counted], [0, 1], JSON.stringify(imported.bundles));
  assertMatch(imported.bundles[0].by, /^registry:127\.0\.0\.1:/);
  assertEquals((await home.json("registry", "submit", ...PERIOD, "--send", ...settings)).receipts, [1, 2]);
  assertEquals(registry.readings.map((each) => each["interval_usage"]), [500, 300]);
  assertMatch(
    (await home.ask("registry", "query", ...PERIOD, ...settings)).out,
    /11 {2}Claimed .* 420 Wh {2}solar_pv/,
  );

  const before = registry.requests.length;
  await home.json("import", theirs, ...settings);
  await home.json("match", ...PERIOD, ...settings);
  assertEquals(registry.requests.length, before);
});

Deno.test("certificates answers wrong words and missing settings with exit code 2 and the cure", async () => {
  await using home = await openHome();
  const cases: [string[], RegExp][] = [
    [["exprot"], /no such action, wanted export$/],
    [["import"], /0 words follow, wanted kwaainet certificates import FILE…$/],
    [["match", "x"], /wanted kwaainet certificates match$/],
    [["registry", "sell"], /there is no such action, wanted query, cancel, claim, submit$/],
    [["registry", "query"], /certificates\.registry is not set/],
    [
      ["registry", "cancel", "1", "--set", "certificates.registry=https://x"],
      /certificates\.account_id is not set/,
    ],
    [["import", "--ask-registry", await home.file(sharedBundle())], /certificates\.registry is not set/],
    [["match", "--from", "yesterday"], /wanted a whole hour of UTC/],
    [["match", "--from", "2026-11-20T10:30Z"], /wanted a whole hour of UTC/],
    [["match", "--from", "2026-11-20", "--to", "2026-11-20"], /empty or longer than a year/],
    [["match", "--from", "2020-11-20", "--to", "2026-11-20"], /empty or longer than a year/],
    [["match", "--set", "certificates.counted_sources=coal"], /wanted one of solar_pv/],
    [["match", "--set", "certificates.registry=ftp://x"], /wanted an address/],
  ];
  for (const [args, line] of cases) {
    const { code, out, err } = await home.ask(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err.trimEnd(), line);
  }
});

Deno.test("certificates stands hostile files: each ends in one line, quickly, and nothing is written", async () => {
  await using home = await openHome();
  const bundle = JSON.stringify(home.bundle());
  const files = [
    "",
    "[".repeat(4_000_000),
    `{"a":`.repeat(500_000),
    `"${"x".repeat(9 << 20)}"`,
    JSON.stringify(Array(20_000).fill({})),
    bundle.replace("1000420", "1e400"),
    bundle.replace("1000420", "9007199254740993"),
    bundle.replace("2026-11-20T10:00:00Z", "-271821-04-20T00:00:00Z"),
    `{"type":"kwaainet-energy-intervals","consumption":${"[".repeat(100)}`,
    `{"type":"kwaainet-energy-intervals"}`,
  ];
  for (const text of files) {
    for (const action of ["import", "verify"]) {
      const { code, out, err } = await home.ask(action, await home.file(text), ...SETTINGS);
      assertEquals(code, 1, `${action} ${text.slice(0, 60)}: ${err}`);
      assert(
        (out + err).length < 3000 && !/\p{Cc}/u.test((out + err).replaceAll("\n", "")),
        out + err,
      );
    }
  }
  for (const path of ["/dev/zero", home.folder.path, `${home.folder.path}/nowhere.json`]) {
    assertEquals((await home.ask("import", path)).code, 1, path);
  }
  assertEquals((await home.json("match", ...PERIOD)).greenMilliwattHours, 100_000);
});
