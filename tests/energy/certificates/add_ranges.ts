/** Takes ranges of one hour after the other and tells of each once it is taken: add_ranges.ts FILE FIRST COUNT. */
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import { openUsedRanges } from "../../../src/energy/certificates/used_ranges.ts";
import { stored, TEN } from "./some.ts";

const [path = "", first = "0", count = "0"] = Deno.args;
using ranges = openUsedRanges(path);
for (let hour = Number(first); hour < Number(first) + Number(count); hour++) {
  // what another process took is known to it alone: it is the same certificate with another beginning
  const certificate = stored(1 + Deno.pid % 5, 10, { startMs: TEN + hour * HOUR_MS, importedAtMs: Deno.pid });
  const [addition] = ranges.add([{ certificate, mostWattHours: undefined }]);
  if (addition!.outcome === "added") Deno.stdout.writeSync(new TextEncoder().encode(`${hour}\n`));
}
