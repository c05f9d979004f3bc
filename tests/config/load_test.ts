import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { configFiles, dataDirectory } from "../../src/config/paths.ts";
import { CONFIG_PATHS } from "../../src/config/schema.ts";
import { targetOf, TARGETS } from "../../src/config/target.ts";
import schema from "../../targets/schema.json" with { type: "json" };

const none: ConfigSources = {
  flags: new Map(),
  sets: [],
  environment: {},
  file: undefined,
  target: undefined,
};
const failure = (sources: Partial<ConfigSources>): string => {
  const error = assertThrows(() => loadConfig({ ...none, ...sources }), NodeError);
  assertEquals((error as NodeError).code, "usage");
  return (error as NodeError).message;
};

Deno.test("loadConfig: a flag outdoes --set, environment, file, target and what is built in", () => {
  const all: ConfigSources = {
    flags: new Map([["network", "private"]]),
    sets: ["compute.threads=5", "network=petals"],
    environment: { KWAAI_DTYPE: "f32", KWAAI_COMPUTE_THREADS: "4", KWAAI_INITIAL_PEERS: "", PATH: "/bin" },
    file: {
      path: "/c.toml",
      text: 'dtype = "bf16"\napi = "127.0.0.1:0"\n[sessions]\nmax_open = 7\n[compute]\nthreads = 3\n',
    },
    target: { name: "rpi5", defaults: { "sessions.max_open": 64, "p2p.max_connections": 150 } },
  };
  const { config, origins } = loadConfig(all);
  const seen = (path: keyof typeof config) => [config[path], origins[path]];
  assertEquals(seen("network"), ["private", "flag"]);
  assertEquals(seen("compute.threads"), [5, "--set"]);
  assertEquals(seen("dtype"), ["f32", "environment KWAAI_DTYPE"]);
  assertEquals(seen("initial_peers"), [[], "environment KWAAI_INITIAL_PEERS"]);
  assertEquals(seen("api"), ["127.0.0.1:0", "file /c.toml"]);
  assertEquals(seen("sessions.max_open"), [7, "file /c.toml"]);
  assertEquals(seen("p2p.max_connections"), [150, "target rpi5"]);
  assertEquals(seen("engine"), ["auto", "built in"]);
});

Deno.test("loadConfig names the nearest known key, wherever the unknown one stands", () => {
  assertEquals(
    failure({ file: { path: "/c.toml", text: "modle = 1" } }),
    'Cannot use configuration: unknown key "modle" in file /c.toml, wanted a known one such as "model"',
  );
  assertEquals(
    failure({ sets: ["compute.thread=1"] }),
    'Cannot use configuration: unknown key "compute.thread" in --set, wanted a known one such as "compute.threads"',
  );
  assertEquals(
    failure({ environment: { KWAAI_NETWROK: "x" } }),
    'Cannot use configuration: unknown key "KWAAI_NETWROK" in the environment, wanted a known one such as "KWAAI_NETWORK"',
  );
});

Deno.test("loadConfig says what a value should have been", () => {
  assertEquals(
    failure({ flags: new Map([["network", "kwai"]]) }),
    'Cannot use network: flag says "kwai", wanted one of kwaai, petals, private',
  );
  assertEquals(
    failure({ sets: ["compute.threads=many"] }),
    'Cannot use compute.threads: --set says "many", wanted a whole number',
  );
  assertEquals(
    failure({ file: { path: "/c.toml", text: "listen = 5" } }),
    "Cannot use listen: file /c.toml says 5, wanted a list",
  );
  assertEquals(
    failure({ flags: new Map([["initial_peers", "/ip4/1.2.3.4/tcp/5"]]) }),
    'Cannot use initial_peers: flag says "/ip4/1.2.3.4/tcp/5", wanted a multiaddr that ends in /p2p/ and a peer id, such as /ip4/10.0.0.2/tcp/31337/p2p/12D3Koo…',
  );
  const tcp = "wanted a multiaddr with /tcp/ and a port, such as /ip4/10.0.0.2/tcp/31337";
  for (
    const address of [
      "/ip4/10.0.0.1",
      "/ip4/10.0.0.1/udp/1/quic-v1",
      "/ip4/10.0.0.1/tcp/1/ws",
      "/ip4/1/tcp/65536",
    ]
  ) {
    assertEquals(
      failure({ flags: new Map([["listen", address]]) }),
      `Cannot use listen: flag says "${address}", ${tcp}`,
    );
    assertEquals(
      failure({ sets: [`p2p.announce=${address}`] }),
      `Cannot use p2p.announce: --set says "${address}", ${tcp}`,
    );
  }
  assertEquals(
    failure({ sets: ["api=127.0.0.1:70000"] }),
    'Cannot use api: --set says "127.0.0.1:70000", wanted HOST:PORT such as 127.0.0.1:8080',
  );
  assertEquals(
    failure({ sets: ["serve"] }),
    "Cannot use --set serve: it has no path and value, wanted --set path=value",
  );
  assertEquals(failure({ file: { path: "/c.toml", text: "a =" } }).startsWith("Cannot read /c.toml: "), true);
});

Deno.test("Addresses of meters hold no password, and a message about one does not show it", () => {
  const meters = (value: string) => failure({ sets: [`energy.meters=${value}`] });
  const said = meters("shelly+http://admin:s3cr/et@192.0.2.7");
  assertEquals(said.includes("s3cr"), false);
  assertEquals(
    said.startsWith('Cannot use energy.meters: --set says "shelly+http://…@192.0.2.7", wanted '),
    true,
  );
  assertEquals(failure({ sets: ["energy.secrets=s3cret"] }).includes("s3cret"), false);
  const { config } = loadConfig({
    ...none,
    sets: [
      "energy.meters=shelly+http://192.0.2.7?scope=board, poe+ubus:lan3",
      "energy.secrets=192.0.2.7=a:b=c",
    ],
  });
  assertEquals(config["energy.meters"], ["shelly+http://192.0.2.7?scope=board", "poe+ubus:lan3"]);
  assertEquals(config["energy.secrets"], ["192.0.2.7=a:b=c"]);
});

Deno.test("Every descriptor of targets/ holds known keys and valid values only, and its schema knows all keys", () => {
  for (const target of TARGETS) loadConfig({ ...none, target });
  assertEquals(Object.keys(schema.properties.defaults.properties), [...CONFIG_PATHS]);
});

Deno.test("targetOf finds the most special class", () => {
  const facts = { arch: "aarch64", board: undefined, openwrt: false };
  assertEquals(targetOf({ ...facts, board: "Raspberry Pi 4 Model B Rev 1.5" }).name, "rpi4");
  assertEquals(targetOf({ ...facts, openwrt: true }).name, "router-aarch64");
  assertEquals(targetOf({ ...facts, arch: "x86_64" }).name, "x86_64-generic");
  assertEquals(targetOf(facts).name, "generic");
});

Deno.test("dataDirectory and configFiles follow systemd and XDG", () => {
  assertEquals(dataDirectory("/d", { HOME: "/h" }), "/d");
  assertEquals(
    dataDirectory(undefined, { STATE_DIRECTORY: "/var/lib/kwaainet:/x", HOME: "/h" }),
    "/var/lib/kwaainet",
  );
  assertEquals(dataDirectory(undefined, { XDG_DATA_HOME: "/x", HOME: "/h" }), "/x/kwaainet");
  assertEquals(dataDirectory(undefined, { HOME: "/h" }), "/h/.local/share/kwaainet");
  assertThrows(() => dataDirectory(undefined, {}), NodeError);
  assertEquals(configFiles(undefined, { HOME: "/h" }), {
    paths: ["/h/.config/kwaainet/config.toml", "/etc/kwaainet/config.toml"],
    mustExist: false,
  });
  assertEquals(configFiles(undefined, { KWAAI_CONFIG: "/k" }), { paths: ["/k"], mustExist: true });
});
