/**
 * Sensors: which figure there is, and what keeps others from telling.
 *
 * @module
 */
import type { SourceDocument } from "../api/energy.ts";
import type { Check, Diagnosis } from "./checks.ts";
import { headline } from "./energy_lines.ts";

/** The node's figure, each sensor that is denied or broken, and the families that are not there. */
export const energyCheck: Check = {
  name: "energy",
  run({ energy }) {
    const found: Diagnosis[] = [figureOf(energy)];
    for (const source of energy.sources) {
      const diagnosis = ofSource(source);
      if (diagnosis !== undefined) found.push(diagnosis);
    }
    const absent = energy.sources.filter(({ state }) => state === "absent").map(({ id }) => id);
    if (absent.length > 0) found.push(tell("info", `no sensors of these kinds: ${absent.join(", ")}`));
    return found;
  },
};

const tell = (severity: Diagnosis["severity"], says: string, cure?: string): Diagnosis => ({
  check: "energy",
  severity,
  says,
  ...(cure === undefined ? {} : { cure }),
});

function figureOf(energy: Parameters<typeof headline>[0]): Diagnosis {
  const { kind, scope } = energy.node;
  if (kind === "none") {
    return tell(
      "warn",
      "nothing tells what power this machine takes: joules for a token are not known",
      "name a metering plug: --set energy.meters=shelly+http://ADDRESS, or give energy.model_idle_watts and " +
        "energy.model_load_watts, measured once; sensors that are denied are listed below",
    );
  }
  const isWhole = scope === "wall" || scope === "board";
  if (isWhole) return tell("ok", headline(energy));
  return tell(
    "info",
    headline(energy),
    "the rest of the machine is not in this figure; a metering plug (energy.meters) would tell the whole",
  );
}

/** The part of a reason behind the first colon that follows words about permission is what to do. */
function ofSource({ id, state, reason = "" }: SourceDocument): Diagnosis | undefined {
  if (state === "denied") {
    const at = reason.indexOf(": ", reason.indexOf("wanted"));
    const [why, cure] = at === -1 ? [reason, undefined] : [reason.slice(0, at), reason.slice(at + 2)];
    return tell("fail", `${id}: ${why}`, cure ?? "run as a user who may read it");
  }
  if (state === "error") return tell("warn", `${id}: ${reason}`);
  return undefined;
}
