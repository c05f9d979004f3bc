/**
 * A certificate registry on loopback, after the published schemas and routes of the reference registry (EnergyTag GC
 * Registry API V2): its validation errors, its windows of 30 days, its "No certificates found", and its quirks.
 */
import { Hono } from "hono";

/** What the server holds, by the registry's own number. */
export type RegistryBundle = Record<string, unknown> & { id: number };

/** A running registry. */
export interface FakeRegistry extends AsyncDisposable {
  readonly url: string;
  readonly bundles: RegistryBundle[];
  readonly readings: Record<string, unknown>[];
  /** `METHOD /path` of each request, in order. */
  readonly requests: string[];
}

/** Kinds of fields that the schemas ask for. */
const KINDS = {
  int: (value: unknown) => Number.isSafeInteger(value),
  ints: (value: unknown) => Array.isArray(value) && value.every(Number.isSafeInteger),
  texts: (value: unknown) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  text: (value: unknown) => typeof value === "string",
  bool: (value: unknown) => typeof value === "boolean",
  time: (value: unknown) => typeof value === "string" && !Number.isNaN(Date.parse(value)),
} as const;
type Kind = keyof typeof KINDS;
type Schema = Record<string, Kind | `${Kind}?`>;

const ACTION: Schema = {
  source_id: "int",
  user_id: "int",
  granular_certificate_bundle_ids: "ints",
  localise_time: "bool?",
};
const SCHEMAS = {
  query: {
    source_id: "int",
    user_id: "int",
    localise_time: "bool?",
    issuance_ids: "texts?",
    device_id: "int?",
    certificate_period_start: "time?",
    certificate_period_end: "time?",
    certificate_bundle_status: "text?",
  },
  cancel: { ...ACTION, beneficiary: "text?" },
  // the schema wants a target and a beneficiary, the route the name of the action
  claim: { ...ACTION, beneficiary: "text", target_id: "int", action_type: "text" },
  measurement: {
    device_id: "int",
    interval_start_datetime: "time",
    interval_end_datetime: "time",
    interval_usage: "int",
    gross_net_indicator: "text",
  },
} satisfies Record<string, Schema>;

/** FastAPI's list of what is wrong with a body. */
function wrongs(schema: Schema, body: Record<string, unknown>): object[] {
  return Object.entries(schema).flatMap(([field, kind]) => {
    const value = body[field] ?? undefined;
    if (value === undefined) {
      return kind.endsWith("?")
        ? []
        : [{ type: "missing", loc: ["body", field], msg: "Field required", input: body }];
    }
    if (KINDS[kind.replace("?", "") as Kind](value)) return [];
    return [{
      type: `${kind}_parsing`,
      loc: ["body", field],
      msg: `Input should be a valid ${kind}`,
      input: value,
    }];
  });
}

const THIRTY_DAYS_MS = 30 * 86_400_000;

/** Starts one. `views` is whether it has the full view of a bundle, as newer ones do. */
export function openFakeRegistry(
  { token, views = true, account = 7 }: { token: string; views?: boolean; account?: number },
): FakeRegistry {
  const [bundles, readings, requests]: [RegistryBundle[], Record<string, unknown>[], string[]] = [[], [], []];
  const app = new Hono();
  app.use(async (c, next) => {
    requests.push(`${c.req.method} ${c.req.path}`);
    if (c.req.header("authorization") !== `Bearer ${token}`) {
      return c.json({ detail: "Could not validate credentials" }, 401, { "www-authenticate": "Bearer" });
    }
    return await next();
  });
  const bodyOf = async (c: { req: { json(): Promise<unknown> } }) =>
    await c.req.json() as Record<string, unknown>;

  app.post("/certificate/query", async (c) => {
    const body = await bodyOf(c);
    const detail = wrongs(SCHEMAS.query, body);
    if (detail.length > 0) return c.json({ detail }, 422);
    const { issuance_ids: ids, certificate_period_start: from, certificate_period_end: to } = body;
    const [fromMs, toMs] = [Date.parse(`${from}`), Date.parse(`${to}`)];
    if (ids !== undefined && from !== undefined) {
      return c.json({
        detail: "Cannot provide issuance_ids with certificate_period_start or certificate_period_end.",
      }, 422);
    }
    if (toMs - fromMs > THIRTY_DAYS_MS) {
      return c.json({
        detail:
          "Difference between certificate_period_start and certificate_period_end must be 30 days or less.",
      }, 422);
    }
    const found = bundles.filter((bundle) =>
      ids !== undefined
        // by issuance it looks into all accounts, and at what was split too
        ? (ids as string[]).includes(bundle["issuance_id"] as string)
        : bundle["account_id"] === body["source_id"] && bundle["is_deleted"] !== true &&
          (from === undefined || Date.parse(`${bundle["production_starting_interval"]}Z`) >= fromMs) &&
          (to === undefined || Date.parse(`${bundle["production_ending_interval"]}Z`) <= toMs) &&
          (body["certificate_bundle_status"] ?? bundle["certificate_bundle_status"]) ===
            bundle["certificate_bundle_status"]
    );
    if (found.length === 0) return c.json({ detail: "422: No certificates found" }, 422);
    const volume = found.reduce((sum, bundle) => sum + (bundle["bundle_quantity"] as number), 0);
    return c.json({ ...body, granular_certificate_bundles: found, total_certificate_volume: volume }, 202);
  });

  for (
    const [action, before, after] of [["cancel", "Active", "Cancelled"], [
      "claim",
      "Cancelled",
      "Claimed",
    ]] as const
  ) {
    app.post(`/certificate/${action}`, async (c) => {
      const body = await bodyOf(c);
      const detail = wrongs(SCHEMAS[action], body);
      if (detail.length > 0) return c.json({ detail }, 422);
      const ids = body["granular_certificate_bundle_ids"] as number[];
      const chosen = bundles.filter(({ id }) => ids.includes(id));
      const wrong = chosen.length === 0 || body["source_id"] !== account ||
        chosen.some((bundle) => bundle["certificate_bundle_status"] !== before);
      if (wrong) return c.json({ detail: `Can only ${action} ${before.toLowerCase()} certificates` }, 400);
      for (const bundle of chosen) {
        bundle["certificate_bundle_status"] = after;
        if (action === "cancel") bundle["beneficiary"] = body["beneficiary"] ?? "the account holder";
      }
      return c.json({ ...body, id: requests.length, action_response_status: "accepted" }, 202);
    });
  }

  app.post("/measurement/create", async (c) => {
    const body = await bodyOf(c);
    const detail = wrongs(SCHEMAS.measurement, body);
    if (detail.length > 0) return c.json({ detail }, 422);
    readings.push(body);
    return c.json([{ ...body, id: readings.length }]);
  });

  if (views) {
    app.get("/certificate/:id", (c) => {
      const bundle = bundles.find(({ id }) => `${id}` === c.req.param("id"));
      if (bundle === undefined) return c.json({ detail: "Certificate bundle not found" }, 404);
      const metadata = {
        country_of_issuance: "DE",
        issue_market_zone: "DE-LU",
        issuing_body: "Invented Registry",
      };
      return c.json({ ...bundle, ...metadata });
    });
  }
  app.notFound((c) => c.json({ detail: "Not Found" }, 404));

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    bundles,
    readings,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
