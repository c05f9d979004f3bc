import { assert, assertEquals } from "@std/assert";
import { findMeters, type MeterOptions } from "../../src/energy/sources/meters.ts";
import type { EnergyChannel, EnergySource, Finding } from "../../src/energy/types.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { type LoopbackDevice, openAnswers, openDevice, until } from "./loopback_device.ts";

const vector = (name: string) =>
  JSON.parse(Deno.readTextFileSync(new URL(`../vectors/energy/api/${name}.json`, import.meta.url)));
const TLS = new URL("../vectors/energy/tls/", import.meta.url);
const SWITCH = vector("shelly_switch_getstatus");
const switchAt = (apower: number, total: number) => ({ ...SWITCH, apower, aenergy: { total } });

const sourceOf = (finding: Finding | undefined): EnergySource => {
  assert(finding?.state === "ok", JSON.stringify(finding));
  return finding.source;
};
const answered = (channel: EnergyChannel) => channel.read() !== undefined || channel.failure !== "unasked";

/** Opens one meter and lets it be asked once. */
async function openMeter(world: ReturnType<typeof fakeWorld>, options: MeterOptions): Promise<EnergySource> {
  const source = sourceOf(findMeters(world, options)[0]);
  await until(() => answered(source.channels[0]!), "the first answer");
  return source;
}

/** Lets a period pass and waits for the device to have been asked again. */
async function next(world: ReturnType<typeof fakeWorld>, device: LoopbackDevice, ms = 1000): Promise<void> {
  const before = device.requests.length;
  await world.clock.advance(ms);
  await until(() => device.requests.length > before, "the next question");
  await until(() => world.clock.sleepers > 0, "the answer");
  await settle();
}

Deno.test("A meter is there at once and has values when it has answered", async () => {
  const world = fakeWorld();
  const gate = Promise.withResolvers<void>();
  await using device = openDevice(async () => {
    await gate.promise;
    return Response.json(SWITCH);
  });
  await using source = sourceOf(findMeters(world, { meters: [`shelly+http://${device.host}`] })[0]);
  const [channel] = source.channels;
  assertEquals([channel!.read(), channel!.failure], [undefined, "unasked"]);
  gate.resolve();
  await until(() => channel!.read() !== undefined, "the answer");
  assertEquals([source.scope, source.domain, channel!.type, channel!.read()?.value], [
    "wall",
    "wall",
    "counter",
    0n,
  ]);
});

Deno.test("A Shelly plug counts what its power and its counter say together", async () => {
  const world = fakeWorld();
  let wattHours = 752.797, restarts = false;
  const busy = () => new Response("", { status: 503, headers: { "retry-after": "60" } });
  await using device = openDevice((_, path) => {
    if (restarts) return busy();
    return path === "/rpc/Switch.GetStatus?id=0"
      ? Response.json(switchAt(5.4, wattHours))
      : new Response("", { status: 404 });
  });
  await using source = await openMeter(world, { meters: [`shelly+http://${device.host}`] });
  const channel = source.channels[0]!;
  await next(world, device);
  await until(() => channel.read()?.atMs === 1000, "a new value");
  assertEquals(channel.read(), { atMs: 1000, value: 5_400_000n });
  restarts = true;
  await next(world, device);
  await until(() => world.clock.sleepers === 1, "the refusal");
  // for a minute it was not asked: it went on counting
  [restarts, wattHours] = [false, 752.797 + 9 * 61 / 3600];
  await next(world, device, 60_000);
  await until(() => channel.read()?.atMs === 62_000, "a new value");
  const joules = Number(channel.read()!.value - 5_400_000n) / 1e6;
  assert(Math.abs(joules - 9 * 61) <= 60, `${joules}`);
});

Deno.test("Every kind of meter is asked as it wants, and tells its figure", async () => {
  const stateOf = (state: string, unit: string, state_class = "measurement") => ({
    ...vector("homeassistant_state"),
    state,
    attributes: { unit_of_measurement: unit, state_class },
    last_updated: new Date(1_700_000_000_000).toISOString(),
  });
  const power = { PowerControl: [{ PowerConsumedWatts: null }, { PowerConsumedWatts: 210 }] };
  const answers: Record<string, unknown> = {
    "/cm?cmnd=Status%208": vector("tasmota_status8"),
    "/api/states/sensor.rack_power": stateOf("7200", "mW"),
    "/api/states/sensor.rack_energy": stateOf("0.5", "kWh", "total_increasing"),
    "/redfish/v1/Chassis": { Members: [{ "@odata.id": "/redfish/v1/Chassis/1" }] },
    "/redfish/v1/Chassis/1/Power": power,
    "/redfish/v1/Chassis/2/EnvironmentMetrics": { PowerWatts: { Reading: 99.5 } },
    "/status": { meters: [{ power: 12.5, is_valid: true, total: 2632 }] },
    "/rpc/PM1.GetStatus?id=0": switchAt(3.25, 10),
    "/rpc/EM1.GetStatus?id=1": { act_power: 501.8 },
    "/rpc/EM1Data.GetStatus?id=1": { total_act_energy: 2034616.71 },
    "/rpc/EM.GetStatus?id=0": { total_act_power: 558.965 },
    "/rpc/EMData.GetStatus?id=0": { total_act: 2589773.39 },
  };
  for (
    const [text, type, value] of [
      ["tasmota+http://HOST", "counter", 0n],
      ["homeassistant+http://HOST/sensor.rack_power", "gauge", 7_200_000n],
      ["homeassistant+http://HOST/sensor.rack_power?energy=sensor.rack_energy", "counter", 0n],
      ["homeassistant+http://HOST?energy=sensor.rack_energy", "counter", 1_800_000_000_000n],
      ["redfish+http://HOST", "gauge", 210_000_000n],
      ["redfish+http://HOST/redfish/v1/Chassis/2", "gauge", 99_500_000n],
      ["shelly+http://HOST/meter:0", "counter", 0n],
      ["shelly+http://HOST/pm1:0", "counter", 0n],
      ["shelly+http://HOST/em1:1", "counter", 0n],
      ["shelly+http://HOST/em:0", "counter", 0n],
      ["shelly+http://HOST", "counter", 0n],
    ] as const
  ) {
    const world = fakeWorld();
    await using device = openAnswers(answers);
    await using source = await openMeter(world, { meters: [text.replace("HOST", device.host)] });
    const [channel] = source.channels;
    assertEquals([text, channel!.type, channel!.failure, channel!.read()?.value], [
      text,
      type,
      undefined,
      value,
    ]);
  }
});

Deno.test("Passwords and tokens go to their device in the way it wants, and nowhere else", async () => {
  const world = fakeWorld();
  const seen: string[] = [];
  const challenge = 'Digest qop="auth", realm="shellyplug-x", nonce="60dc59c6", algorithm=SHA-256';
  await using digest = openDevice((request) => {
    const header = request.headers.get("authorization");
    seen.push(header?.split(" ")[0] ?? "none");
    if (header === null) return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    return Response.json(SWITCH);
  });
  await using basic = openDevice((request) => {
    const right = request.headers.get("authorization") === `Basic ${btoa("admin:pa55w0rd")}`;
    seen.push(right ? "Basic" : "none");
    if (!right) {
      return new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="shelly"' } });
    }
    return Response.json({ meters: [{ power: 1, is_valid: true, total: 5 }] });
  });
  await using query = openDevice((_, path) => {
    seen.push(path);
    return Response.json(vector("tasmota_status8"));
  });
  await using token = openDevice((request) => {
    seen.push(request.headers.get("authorization") ?? "none");
    return Response.json({ ...vector("homeassistant_state"), last_updated: null });
  });
  const secrets = [
    `${digest.host}=admin:pa55w0rd`,
    `${basic.host}=admin:pa55w0rd`,
    `${query.host}=admin:pa55&w0rd`,
    `${token.host}=tok3n`,
  ];
  for (
    const [text, expected] of [
      [`shelly+http://${digest.host}/switch:0`, ["none", "Digest"]],
      [`shelly+http://${basic.host}/meter:0`, ["none", "Basic"]],
      [`tasmota+http://${query.host}`, ["/cm?user=admin&password=pa55%26w0rd&cmnd=Status%208"]],
      [`homeassistant+http://${token.host}/sensor.rack_power`, ["Bearer tok3n"]],
    ] as const
  ) {
    seen.length = 0;
    await using source = await openMeter(world, { meters: [text], secrets });
    assertEquals([text, source.channels[0]!.failure, seen], [text, undefined, [...expected]]);
  }
  assertEquals(world.lines.filter((line) => /pa55|tok3n/.test(line)), []);
});

const html = () => new Response("<html>Login</html>", { headers: { "content-type": "text/html" } });
const status = (code: number, headers: HeadersInit = {}) => () =>
  new Response("no", { status: code, headers });
/** A body that never ends, a byte a turn. */
const drip = () => {
  let open = true;
  const body = new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (open) controller.enqueue(new TextEncoder().encode(" "));
    },
    cancel: () => void (open = false),
  });
  return new Response(body);
};

/** What a plug or Home Assistant may do wrong, and the word it is counted under. */
const FAULTS: readonly (readonly [
  what: string,
  kind: "shelly" | "ha" | "tasmota",
  answer: () => Response,
  word: string,
])[] = [
  ["401", "shelly", status(401), "http_401"],
  ["403", "ha", status(403), "http_403"],
  ["404", "ha", status(404), "http_404"],
  ["429", "ha", status(429, { "retry-after": "600" }), "http_429"],
  ["500", "ha", status(500), "http_500"],
  ["a page instead of JSON", "shelly", html, "malformed"],
  ["half of a JSON", "shelly", () => new Response('{"apower": 5.'), "malformed"],
  ["a list", "shelly", () => Response.json([1, 2]), "malformed"],
  ["a power that is a text", "shelly", () => Response.json({ ...SWITCH, apower: "5" }), "malformed"],
  ["a power of null", "shelly", () => Response.json({ ...SWITCH, apower: null }), "unmetered"],
  ["no meter", "shelly", () => Response.json(vector("shelly_switch_unmetered")), "unmetered"],
  ["negative power", "shelly", () => Response.json(switchAt(-3, 5)), "negative"],
  ["power of no machine", "shelly", () => Response.json(switchAt(160_000, 5)), "implausible"],
  [
    "a meter that has failed",
    "shelly",
    () => Response.json({ ...SWITCH, errors: ["power_meter_failure"] }),
    "sensor",
  ],
  ["a body without end", "shelly", () => new Response(new Uint8Array(1 << 20).fill(0x20)), "too_large"],
  ["another host", "ha", status(302, { location: "http://192.0.2.99/" }), "http_302"],
  ["itself again", "ha", status(302, { location: "/api/states/sensor.rack_power" }), "http_302"],
  ["unavailable", "ha", () => state({ state: "unavailable" }), "unavailable"],
  ["unknown", "ha", () => state({ state: "unknown" }), "unavailable"],
  ["degrees", "ha", () => state({ attributes: { unit_of_measurement: "°C" } }), "wrong_unit"],
  ["no unit", "ha", () => state({ attributes: {} }), "wrong_unit"],
  [
    "energy in place of power",
    "ha",
    () => state({ attributes: { unit_of_measurement: "kWh" } }),
    "wrong_unit",
  ],
  ["an old value", "ha", () => state({ last_updated: "2020-01-01T00:00:00+00:00" }), "stale"],
  [
    "no password",
    "tasmota",
    () => Response.json({ WARNING: "Need user=<username>&password=<password>" }),
    "denied",
  ],
  ["no meter", "tasmota", () => Response.json({ StatusSNS: { Time: "x" } }), "unmetered"],
  ["neither status", "tasmota", () => Response.json({ Command: "Unknown" }), "unmetered"],
];

function state(change: Record<string, unknown>): Response {
  const now = new Date(1_700_000_000_000).toISOString();
  return Response.json({ ...vector("homeassistant_state"), last_updated: now, ...change });
}

for (const [what, kind, answer, word] of FAULTS) {
  Deno.test(`A meter that answers ${what} (${kind}) is counted as ${word}, and others do not notice`, async () => {
    const world = fakeWorld();
    let works = true;
    await using good = openAnswers({ "/rpc/Switch.GetStatus?id=0": SWITCH });
    await using bad = openDevice(() => works ? rightAnswer(kind) : answer());
    const at = {
      shelly: "shelly+http://HOST/switch:0",
      ha: "homeassistant+http://HOST/sensor.rack_power",
      tasmota: "tasmota+http://HOST",
    };
    const meters = [at[kind].replace("HOST", bad.host), `shelly+http://${good.host}/switch:0`];
    const sources = findMeters(world, { meters, secrets: [`${bad.host}=user:s3cret`] }).map(sourceOf);
    await using stack = new AsyncDisposableStack();
    for (const source of sources) stack.use(source);
    const [broken, other] = sources.map(({ channels }) => channels[0]!);
    await until(() => broken!.read() !== undefined && other!.read() !== undefined, "both");
    works = false;
    const before = other!.read()!.value;
    for (let second = 0; second < 15; second++) await next(world, good);
    assertEquals([broken!.read(), broken!.failure], [undefined, word]);
    assertEquals(other!.failure, undefined);
    assert(other!.read()!.value > before);
    const trouble = broken!.trouble ?? "";
    assert(trouble.startsWith("Cannot read ") && !/s3cret|<html/.test(trouble), trouble);
    assertEquals(world.lines.filter((line) => line.includes("s3cret")), []);
  });
}

function rightAnswer(kind: "shelly" | "ha" | "tasmota"): Response {
  if (kind === "ha") return state({});
  return Response.json(kind === "shelly" ? SWITCH : vector("tasmota_status8"));
}

Deno.test("A device that is slow, silent or gone is left after its time, and asked to be left alone it is", async () => {
  const world = fakeWorld();
  const slow = openDevice(drip);
  await using polite = openDevice(status(429, { "retry-after": "300" }));
  const meters = [`shelly+http://${slow.host}/switch:0`, `shelly+http://${polite.host}/switch:0`];
  const [first, second] = findMeters(world, { meters }).map(sourceOf);
  await until(() => slow.requests.length > 0 && second!.channels[0]!.failure === "http_429", "the questions");
  await world.clock.advance(5_000);
  await until(() => first!.channels[0]!.failure === "timeout", "the time-out");
  await world.clock.advance(294_999);
  assertEquals(polite.requests.length, 1);
  await world.clock.advance(1);
  await until(() => polite.requests.length === 2, "the second question");
  await slow[Symbol.asyncDispose]();
  for (let second = 0; second < 200 && first!.channels[0]!.failure !== "unreachable"; second++) {
    await world.clock.advance(1_000);
    for (let turn = 0; turn < 20; turn++) await settle();
  }
  assertEquals(first!.channels[0]!.failure, "unreachable");
  const trouble = first!.channels[0]!.trouble ?? "";
  assert(!trouble.includes("http://"), trouble);
  await first![Symbol.asyncDispose]();
  await second![Symbol.asyncDispose]();
});

Deno.test("https is believed by the owner's certificates alone", async () => {
  const world = fakeWorld();
  const [cert, key] = ["device.crt", "device.key"].map((name) => Deno.readTextFileSync(new URL(name, TLS)));
  await using device = openDevice(() => Response.json({ PowerWatts: { Reading: 12 } }), {
    cert: cert!,
    key: key!,
  });
  const meters = [`redfish+https://${device.host}/redfish/v1/Chassis/1`];
  const caFile = new URL("device.crt", TLS).pathname;
  await using without = await openMeter(world, { meters });
  assertEquals(without.channels[0]!.failure, "unreachable");
  await using with_ = await openMeter(world, { meters, caFile });
  assertEquals(with_.channels[0]!.read()?.value, 12_000_000n);
  const [finding] = findMeters(world, { meters, caFile: `${caFile}.none` });
  assert(
    finding?.state === "error" && finding.reason.startsWith("Cannot use energy.ca_file: "),
    JSON.stringify(finding),
  );
});

Deno.test("What cannot be read as a meter is an error with words, and costs the others nothing", async () => {
  const world = fakeWorld();
  await using device = openAnswers({ "/rpc/Switch.GetStatus?id=0": SWITCH });
  const findings = findMeters(world, {
    meters: [
      "shelly+http://admin:pa55@192.0.2.7",
      `shelly+http://${device.host}`,
      "redfish+http://192.0.2.8",
    ],
    secrets: ["192.0.2.8=onlyatoken"],
  });
  assertEquals(findings.map(({ state }) => state), ["error", "ok", "error"]);
  assert(!/pa55|onlyatoken/.test(JSON.stringify([findings[0], findings[2]])));
  await sourceOf(findings[1])[Symbol.asyncDispose]();
});

Deno.test("A counter of energy alone shows no value of its own between two steps", async () => {
  const world = fakeWorld();
  let kilowattHours = 0.5;
  await using device = openDevice(() =>
    state({
      state: `${kilowattHours}`,
      attributes: { unit_of_measurement: "kWh", state_class: "total_increasing" },
      last_updated: new Date(world.clock.now()).toISOString(),
    })
  );
  await using source = await openMeter(world, {
    meters: [`homeassistant+http://${device.host}?energy=sensor.e`],
  });
  const [channel] = source.channels;
  const first = channel!.read();
  await next(world, device, 2000);
  await until(() => world.clock.sleepers > 0, "the answer");
  assertEquals(channel!.read(), first);
  kilowattHours = 0.51;
  await next(world, device, 2000);
  await until(() => channel!.read()!.value > first!.value, "the step");
  assertEquals(channel!.read(), { atMs: 4000, value: 1_836_000_000_000n });
});

Deno.test("Ports that feed others are asked of ubus, and are never this machine's power", async () => {
  const world = fakeWorld();
  const info = { consumption: 9.4, ports: { lan1: { status: "Searching" }, lan3: { consumption: 6.3 } } };
  const poeCommand = ["sh", "-c", `echo '${JSON.stringify(info)}'`];
  const read = async (text: string, command = poeCommand) => {
    await using source = await openMeter(world, { meters: [text], poeCommand: command });
    const [channel] = source.channels;
    return [source.domain.split("/")[0], channel!.type, channel!.read()?.value, channel!.failure];
  };
  assertEquals(await read("poe+ubus:lan3"), ["others", "gauge", 6_300_000n, undefined]);
  assertEquals(await read("poe+ubus:all"), ["others", "gauge", 9_400_000n, undefined]);
  assertEquals(await read("poe+ubus:lan1"), ["others", "gauge", undefined, undefined]);
  assertEquals(await read("poe+ubus:lan9"), ["others", "gauge", undefined, "no_port"]);
  assertEquals((await read("poe+ubus:lan3", ["false"]))[3], "remote");
  assertEquals((await read("poe+ubus:lan3", ["/nonexistent/ubus"]))[3], "not_found");
  assertEquals((await read("poe+ubus:lan3", ["yes"]))[3], "too_large");
});
