import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeRapl } from "../support/fake_rapl.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

Deno.test(`${FLAVOUR}: energy, its export, doctor and /metrics tell of a running node, and of its books when it has stopped`, () =>
  withFolder(async (folder) => {
    const data = `${folder}/data`;
    const here = ["--data-dir", data];
    await using sensor = await FakeRapl.open(`${folder}/sys`, 1000);
    await using node = Program.start([...alone(data), "--no-serve", "--sysfs", `${folder}/sys`]);
    const { api } = await node.event("ready");
    await sensor.set(7);

    await using watch = Program.run(["energy", "--watch", "0.2", "--json", ...here]);
    const first = await watch.event("energy", ({ node: { joules } }) => joules > 1);
    await watch.event("energy", ({ at, node: { joules } }) => at > first.at && joules > first.node.joules);
    assertEquals([first.schema, first.node.source], [1, "rapl:package-0"]);
    assertEquals([await watch.stop("SIGINT"), watch.others, watch.err], [130, [], ""]);

    const doctor = await ask(["doctor", "--json", ...here]);
    const { running, found } = JSON.parse(doctor.out);
    assertEquals([doctor.code, running], [0, true]);
    assert(found.some(({ says }: { says: string }) => says.includes("rapl:package-0")), doctor.out);

    for (
      const [accept, type, end] of [
        ["text/plain", /^text\/plain/, /\n$/],
        ["application/openmetrics-text", /^application\/openmetrics-text/, /\n# EOF\n$/],
      ] as const
    ) {
      const answer = await fetch(`${api}/metrics`, { headers: { accept } });
      assertMatch(answer.headers.get("content-type")!, type);
      const text = await answer.text();
      assertMatch(text, /^kwaai_power_watts\{source="rapl",device="package-0",.*\} [\d.]+$/m);
      assertMatch(text, end);
    }

    // the hour is open: its books have a head only
    const open = await ask(["energy", "export", ...here]);
    assertEquals([open.code, open.out.split("\r\n").length], [0, 2]);
    const { node: last } = await (await fetch(`${api}/api/v1/energy`)).json();
    assertEquals(await node.stop(), 0);
    const { out } = await ask(["energy", "export", "--format", "json", ...here]);
    const { hours } = JSON.parse(out) as { hours: { joules: number; kind: string }[] };
    const total = hours.reduce((sum, { joules }) => sum + joules, 0);
    assert(total >= last.joules * 0.95 && total < last.joules + 100, `${total} of ${last.joules} J`);

    const own = await ask(["energy", "--for", "0.3", "--sysfs", `${folder}/sys`, ...here]);
    assertMatch(own.out, /^[\d.]+ W of the processor .*\n/);
    await using lone = Program.run(["energy", "--watch", "--json", ...here]);
    await lone.event("energy");
    assertEquals(await lone.stop("SIGINT"), 130);
  }));
