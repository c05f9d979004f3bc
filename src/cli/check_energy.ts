/**
 * Sensors: which figure there is, and what keeps others from telling.
 *
 * @module
 */
import type { EnergyDocument, SourceDocument } from "../api/energy.ts";
import { type Check, type Diagnosis, tellOf } from "./checks.ts";
import { headline, reasonParts, RULE } from "./energy_lines.ts";

const tell = tellOf("energy");

const AWAY_CURE =
  "see that it is switched on and answers; a meter in the network is named by its address (energy.meters)";

/** The node's figure, each sensor that is denied or broken, and the families that are not there. */
export const energyCheck: Check = {
  name: "energy",
  run({ energy }) {
    if (energy === undefined) {
      return [
        tell(
          "unknown",
          "the sensors gave no answer in time",
          "ask again; see energy.meters for meters that are away",
        ),
      ];
    }
    const absent = energy.sources.filter(({ state }) => state === "absent").map(({ id }) => id);
    return [
      figureOf(energy),
      ...deniedOf(energy.sources.filter(({ state }) => state === "denied")),
      ...energy.sources.filter(({ state }) => state === "error").map((source) => {
        const { why, cure = AWAY_CURE } = reasonParts(source);
        return tell("warn", `${source.id}: ${why}`, cure);
      }),
      ...(absent.length === 0 ? [] : [tell("info", `no sensors of these kinds: ${absent.join(", ")}`)]),
    ];
  },
};

function figureOf(energy: EnergyDocument): Diagnosis {
  const { kind, scope } = energy.node;
  if (kind === "none") {
    const isDenied = energy.sources.some(({ state }) => state === "denied");
    return tell(
      "warn",
      "nothing tells what power this machine takes: joules for a token are not known",
      (isDenied ? "let the sensors below be read; or " : "") +
        "use a metering plug (Shelly, Tasmota, or whatever Home Assistant knows): " +
        "--set energy.meters=shelly+http://ADDRESS; or measure the machine once, at rest and at work, and set " +
        "energy.model_idle_watts and energy.model_load_watts",
    );
  }
  if (scope === "wall" || scope === "board") return tell("ok", headline(energy));
  return tell(
    "info",
    headline(energy),
    "the rest of the machine is not in this figure; a metering plug (energy.meters) would tell the whole",
  );
}

/** Sources with one cure are told together, and all udev rules are put in place in one go. */
function deniedOf(sources: readonly SourceDocument[]): Diagnosis[] {
  const denied = sources.map((source) => {
    const { why, cure = "run the node as a user who may read it" } = reasonParts(source);
    const rule = cure.includes(RULE) ? cure.slice(cure.indexOf(RULE)) : undefined;
    return { id: source.id, why, cure, rule, subsystem: rule?.match(/^SUBSYSTEM=="(\w+)"/)?.[1] };
  });
  const groups = Map.groupBy(denied, ({ rule, cure }) => rule === undefined ? cure : "udev");
  return groups.values().toArray().map((group) => {
    const rules = new Set(group.flatMap(({ rule }) => rule ?? []));
    const subsystems = new Set(group.flatMap(({ subsystem }) => subsystem ?? []));
    const cure = rules.size === 0 ? group[0]!.cure : udevSteps([...rules], [...subsystems]);
    return tell("fail", group.map(({ id, why }) => `${id}: ${why}`).join("\n"), cure);
  });
}

/** Lines for a shell. The group is that of the rules. */
function udevSteps(rules: readonly string[], subsystems: readonly string[]): string {
  const group = rules[0]!.match(/chgrp ([\w-]+) /)?.[1] ?? "root";
  const file = "/etc/udev/rules.d/90-kwaainet.rules";
  return [
    `only root may read it; this lets group ${group}. Afterwards log in again and start the node again ` +
    `(under systemd: SupplementaryGroups=${group})`,
    `sudo groupadd -f ${group}`,
    `sudo usermod -aG ${group} "$USER"`,
    ...rules.map((rule) => `echo ${quoted(rule)} | sudo tee -a ${file}`),
    "sudo udevadm control --reload",
    ...subsystems.map((name) => `sudo udevadm trigger -s ${name}`),
  ].join("\n");
}

/** As one word of a POSIX shell: names of chips are not ours. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
