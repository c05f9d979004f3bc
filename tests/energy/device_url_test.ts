import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { httpUrlOf, secretOf, userOf } from "../../src/energy/device_url.ts";
import { readMeterUrl } from "../../src/energy/sources/meter_url.ts";

const failure = (text: string) => assertThrows(() => readMeterUrl(text), NodeError).message;

Deno.test("A meter says where it is and what of this machine it measures", () => {
  const seen = (text: string) => {
    const { id, scope, domain, url } = readMeterUrl(text);
    return [id, scope, domain, url.path];
  };
  assertEquals(seen("shelly+http://192.0.2.7"), ["shelly:192.0.2.7", "wall", "wall", ""]);
  assertEquals(seen("shelly+http://PLUG.local:81/switch:1?scope=board"), [
    "shelly:plug.local:81/switch:1",
    "board",
    "wall/board",
    "switch:1",
  ]);
  assertEquals(seen("homeassistant+http://[fe80::1]:8123/sensor.gpu?scope=part&name=gpu"), [
    "homeassistant:gpu",
    "part",
    "wall/board/rail/homeassistant:gpu",
    "sensor.gpu",
  ]);
  assertEquals(seen("redfish+https://bmc/redfish/v1/Chassis/1/?scope=others"), [
    "redfish:bmc/redfish/v1/Chassis/1",
    "part",
    "others/redfish:bmc_redfish_v1_Chassis_1",
    "redfish/v1/Chassis/1",
  ]);
  assertEquals(seen("poe+ubus:all"), ["poe:all", "part", "others/poe:all", "all"]);
  const { url } = readMeterUrl("homeassistant+https://[FE80::1]:8123/?energy=sensor.rack_energy");
  assertEquals(httpUrlOf(url, "/api/states/x").href, "https://[fe80::1]:8123/api/states/x");
});

Deno.test("An address that cannot be used is refused with what to write, and shows no password", () => {
  const said = failure("shelly+http://admin:pa55@192.0.2.7");
  assert(
    !said.includes("pa55") && said.includes('"HOST=USER:PASSWORD"') && said.includes("energy.secrets"),
    said,
  );
  assert(!failure("tasmota+http://192.0.2.7?password=pa55").includes("pa55"));
  assertEquals(
    failure("kasa+http://192.0.2.7"),
    'Cannot use energy.meters: "kasa" is no kind that is known, wanted one of shelly, tasmota, homeassistant, redfish, poe',
  );
  assertEquals(
    failure("shelly+tcp://192.0.2.7"),
    'Cannot use energy.meters: "shelly" is not reached by "tcp", wanted shelly+http, shelly+https',
  );
  for (
    const text of [
      "",
      "http://192.0.2.7",
      "shelly+http://",
      "shelly+http://192.0.2.7:99999",
      "shelly+http://192.0.2.7:0",
      "shelly+http://192.0.2.7/relay/0",
      "shelly+http://192.0.2.7?scope=house",
      "shelly+http:switch:0",
      "tasmota+http://192.0.2.7/0",
      "homeassistant+http://ha:8123",
      "homeassistant+http://ha:8123/light.kitchen",
      "redfish+https://bmc/redfish/v1/Systems/1",
      "redfish+https://bmc/redfish/v1/Chassis/../../etc",
      "poe+ubus:lan3?scope=wall",
      "poe+ubus://host/lan3",
      "constructor+http://192.0.2.7",
    ]
  ) assert(failure(text).startsWith("Cannot use energy.meters: "), text);
});

Deno.test("Any text is a meter or a NodeError", () => {
  const part = fc.constantFrom(
    "shelly",
    "poe",
    "+",
    "http",
    "://",
    "192.0.2.7",
    ":",
    "80",
    "/",
    "?",
    "scope=",
    "wall",
    "@",
  );
  const anyText = fc.oneof(fc.string(), fc.array(part).map((parts) => parts.join("")));
  fc.assert(fc.property(anyText, (text) => {
    try {
      readMeterUrl(text);
    } catch (error) {
      assert(error instanceof NodeError, String(error));
    }
  }));
});

Deno.test("A secret is found by host and port, else by host, and keeps what stands after the first sign", () => {
  const secrets = ["192.0.2.7=admin:a=b:c", "HA.local:8123=eyJ=", "ha.local=other"];
  const of = (text: string) => secretOf(secrets, readMeterUrl(text).url);
  assertEquals(of("shelly+http://192.0.2.7:8080"), "admin:a=b:c");
  assertEquals(of("homeassistant+http://ha.local:8123/sensor.x"), "eyJ=");
  assertEquals(of("homeassistant+http://ha.local/sensor.x"), "other");
  assertEquals(of("shelly+http://192.0.2.77"), undefined);
  assertEquals(of("poe+ubus:lan1"), undefined);
  assertEquals(userOf("admin:a=b:c"), { user: "admin", password: "a=b:c" });
  assert(!assertThrows(() => userOf("onlytoken"), NodeError).message.includes("onlytoken"));
});
