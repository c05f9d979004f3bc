import { assertEquals, assertMatch } from "@std/assert";
import { writeTinyGguf } from "../support/tiny_model.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

/** Steps of heat of a small board, on whatever machine this runs. */
const BOARD = ["slow_celsius=75", "pause_celsius=82", "resume_celsius=70"].flatMap((set) => [
  "--set",
  `policy.${set}`,
]);

Deno.test(`${FLAVOUR}: a node that gets too hot says why, takes nothing new, and tells so in its status`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    const zone = `${folder}/sys/class/thermal/thermal_zone0`;
    await Deno.mkdir(zone, { recursive: true });
    await Deno.writeTextFile(`${zone}/type`, "cpu-thermal\n");
    const set = (celsius: number) => Deno.writeTextFile(`${zone}/temp`, `${celsius * 1000}\n`);
    await set(50);
    const data = `${folder}/data`;
    await using node = Program.start([
      ...alone(data),
      "--model",
      model,
      "--sysfs",
      `${folder}/sys`,
      ...BOARD,
    ]);
    await node.event("ready");
    const question = ["generate", "--data-dir", data, "--max-tokens", "4", "hello"];
    const before = await ask(question);
    assertEquals(before.code, 0, before.err);

    await set(84);
    const degraded = await node.event("degraded", ({ what }) => what === "contribution");
    assertEquals(degraded.why, "paused: 84 °C on cpu-thermal, resumes at 70 °C");
    const refused = await ask(question);
    assertEquals(refused.code, 1);
    const status = JSON.parse((await ask(["status", "--json", "--data-dir", data])).out);
    assertEquals([status.policy.action, status.policy.share], ["withdraw", 0]);
    assertMatch((await ask(["status", "--data-dir", data])).out, /^Policy +withdraw: 84 °C on cpu-thermal/m);
    assertEquals(await node.stop(), 0);
  }));
