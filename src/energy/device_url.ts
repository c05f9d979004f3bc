/**
 * Addresses of meters and inverters as the owner writes them: `kind+transport://host:port/path?option=value`.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** One address, taken apart. */
export interface DeviceUrl {
  /** What speaks there, such as `shelly`. */
  readonly kind: string;
  /** How it is reached: `http`, `https`, `tcp`, `mqtt`, or `ubus` on this machine. */
  readonly transport: string;
  /** Lower case, IPv6 in brackets; empty for this machine. */
  readonly hostname: string;
  /** Absent for the transport's own. */
  readonly port: number | undefined;
  /** Without slashes at its ends. */
  readonly path: string;
  readonly options: ReadonlyMap<string, string>;
}

/** What a setting takes. */
export interface DeviceGrammar {
  /** The setting, for messages. */
  readonly setting: string;
  readonly example: string;
  /** Transports by kind. */
  readonly transports: Readonly<Record<string, readonly string[]>>;
  /** What an option may be, by its name. */
  readonly options: Readonly<Record<string, RegExp>>;
}

const ADDRESS =
  /^([a-z0-9]{1,32})\+([a-z]{1,8}):(?:\/\/(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(\d{1,5}))?(?=[/?]|$))?([^?#\s]{0,256})(?:\?([^#\s]{0,512}))?$/i;
/** Transports that stay on this machine. */
const LOCAL = "ubus";

/**
 * Takes an address apart. Throws `NodeError` `usage` that says what is wrong, never a password.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const grammar = {
 *   setting: "energy.meters",
 *   example: "shelly+http://192.0.2.7",
 *   transports: { shelly: ["http"] },
 *   options: { scope: /^(?:wall|board)$/ },
 * };
 * const url = parseDeviceUrl("shelly+http://192.0.2.7/switch:1?scope=wall", grammar);
 * assertEquals([url.hostname, url.port, url.path], ["192.0.2.7", undefined, "switch:1"]);
 * assertEquals(url.options.get("scope"), "wall");
 * ```
 */
export function parseDeviceUrl(text: string, grammar: DeviceGrammar): DeviceUrl {
  const refuse = (what: string, wanted: string) =>
    new NodeError("usage", `Cannot use ${grammar.setting}: ${what}, wanted ${wanted}`);
  if (text.includes("@")) {
    const wanted = 'the address alone and "HOST=USER:PASSWORD" or "HOST=TOKEN" in energy.secrets';
    throw refuse("an address holds a user or a password", wanted);
  }
  const [, kind, transport, hostname = "", port, path, options] = ADDRESS.exec(text) ?? [];
  if (kind === undefined || transport === undefined || path === undefined) {
    throw refuse("an address has another form", `one such as ${grammar.example}`);
  }
  const transports = Object.hasOwn(grammar.transports, kind) ? grammar.transports[kind]! : undefined;
  if (transports === undefined) {
    throw refuse(
      `"${kind}" is no kind that is known`,
      `one of ${Object.keys(grammar.transports).join(", ")}`,
    );
  }
  if (!transports.includes(transport)) {
    throw refuse(
      `"${kind}" is not reached by "${transport}"`,
      transports.map((each) => `${kind}+${each}`).join(", "),
    );
  }
  if ((hostname === "") !== (transport === LOCAL)) {
    throw refuse(
      `an address of "${kind}" has ${hostname === "" ? "no" : "a"} host`,
      `one such as ${grammar.example}`,
    );
  }
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw refuse(`an address has the port ${port}`, "1 to 65535");
  }
  return {
    kind,
    transport,
    hostname: hostname.toLowerCase(),
    port: port === undefined ? undefined : Number(port),
    path: path.replace(/^\/+|\/+$/g, ""),
    options: optionsOf(options, grammar, refuse),
  };
}

function optionsOf(
  text: string | undefined,
  { options }: DeviceGrammar,
  refuse: (what: string, wanted: string) => NodeError,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text ?? "")) {
    const allowed = Object.hasOwn(options, name) ? options[name]! : undefined;
    if (allowed === undefined) {
      throw refuse("an address has an option that is not known", `one of ${Object.keys(options).join(", ")}`);
    }
    // the value may be a token that stands in the wrong place
    if (!allowed.test(value)) throw refuse(`the option "${name}" has another form`, `${allowed.source}`);
    found.set(name, value);
  }
  return found;
}

/** Host with the port, if one is named. */
export const hostOf = ({ hostname, port }: DeviceUrl): string =>
  port === undefined ? hostname : `${hostname}:${port}`;

/** The address of `path` at a device that speaks HTTP. */
export const httpUrlOf = (url: DeviceUrl, path: string): URL =>
  new URL(path, `${url.transport}://${hostOf(url)}/`);

/** Name of a device that stays the same over restarts: what the owner calls it, or where it is. */
export const deviceIdOf = (url: DeviceUrl): string => {
  const place = [hostOf(url), url.path].filter((part) => part !== "").join("/");
  return `${url.kind}:${url.options.get("name") ?? place}`;
};

/** What `energy.secrets` holds for a device: by host and port, else by host. */
export function secretOf(secrets: readonly string[], url: DeviceUrl): string | undefined {
  for (const name of [hostOf(url), url.hostname]) {
    const found = secrets.find((secret) => secret.toLowerCase().startsWith(`${name}=`));
    if (found !== undefined && name !== "") return found.slice(name.length + 1);
  }
  return undefined;
}

/** User and password of a secret `USER:PASSWORD`. Throws `NodeError` `usage` for another form. */
export function userOf(secret: string): { readonly user: string; readonly password: string } {
  const colon = secret.indexOf(":");
  if (colon < 1) {
    throw new NodeError(
      "usage",
      'Cannot use energy.secrets: a device that wants a user has none, wanted "HOST=USER:PASSWORD"',
    );
  }
  return { user: secret.slice(0, colon), password: secret.slice(colon + 1) };
}
