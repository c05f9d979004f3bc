/**
 * Formats of strings in JSON schemas, as regular expressions of the whole text.
 *
 * @module
 */

const YEAR = "(?:000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})";
const LEAP = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
const DAY = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)" +
  "|02-(?:0[1-9]|1\\d|2[0-8]))";
const DATE = `(?:${YEAR}-${DAY}|${LEAP}-02-29)`;
const HOUR = "(?:[01]\\d|2[0-3])";
/** Seconds to microseconds: more is not kept by those who read it. */
const TIME = `${HOUR}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]${HOUR}:[0-5]\\d)`;

const AMOUNT = "\\d{1,6}";
const TIMES = `T(?:${AMOUNT}H(?:${AMOUNT}M(?:${AMOUNT}S)?)?|${AMOUNT}M(?:${AMOUNT}S)?|${AMOUNT}S)`;
const DATES = `(?:${AMOUNT}D|${AMOUNT}M(?:${AMOUNT}D)?|${AMOUNT}Y(?:${AMOUNT}M(?:${AMOUNT}D)?)?)`;
const DURATION = `P(?:${DATES}(?:${TIMES})?|${TIMES}|${AMOUNT}W)`;

/** Labels are up to 63 letters long, and names may have more: each letter is a place of the grammar that costs. */
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,18}[A-Za-z0-9])?";
const HOSTNAME = `${LABEL}(?:\\.${LABEL}){0,3}`;
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const EMAIL = `${ATOM}(?:\\.${ATOM})*@(?:${LABEL}\\.){1,3}[A-Za-z]{2,12}`;

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const GROUP = "[0-9A-Fa-f]{1,4}";
/** Zeros left out behind so many groups. */
const SHORTENED = Array.from({ length: 8 }, (_, left) => {
  const before = left === 0 ? "" : left === 1 ? GROUP : `${GROUP}(?::${GROUP}){${left - 1}}`;
  const after = left === 7 ? "" : left === 6 ? `(?:${GROUP})?` : `(?:${GROUP}(?::${GROUP}){0,${6 - left}})?`;
  return `${before}::${after}`;
});
const IPV6 = [`${GROUP}(?::${GROUP}){7}`, ...SHORTENED].join("|");

const HEX = "[0-9A-Fa-f]";
const UUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;

const BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";

const PLAIN = "[A-Za-z0-9._~!$&'()*+,;=-]";
const PERCENT = `%${HEX}{2}`;
const PATH_LETTER = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${PERCENT})`;
const QUERY = `(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|${PERCENT})*`;
const URI = `[A-Za-z][A-Za-z0-9+.-]*:` +
  `(?://(?:${PLAIN}|${PERCENT})+(?::\\d{1,4})?(?:/${PATH_LETTER}*)*|/?${PATH_LETTER}+(?:/${PATH_LETTER}*)*)` +
  `(?:\\?${QUERY})?(?:#${QUERY})?`;

/** Texts that fit a format, all of them or the usual ones; `undefined` for a format that says nothing of which texts fit. */
export const TEXT_FORMATS: ReadonlyMap<string, string | undefined> = new Map<string, string | undefined>([
  ["date", DATE],
  ["time", TIME],
  ["date-time", `${DATE}T${TIME}`],
  ["duration", DURATION],
  ["email", EMAIL],
  ["hostname", HOSTNAME],
  ["ipv4", `${OCTET}(?:\\.${OCTET}){3}`],
  ["ipv6", IPV6],
  ["uuid", UUID],
  ["uri", URI],
  ["byte", BASE64],
  ["base64", BASE64],
  ["base64url", "(?:[A-Za-z0-9_-]{4})*"],
  ["e164", "\\+[1-9]\\d{6,14}"],
  ["ulid", "[0-7][0-9A-HJKMNP-TV-Z]{25}"],
  ["nanoid", "[A-Za-z0-9_-]{21}"],
  ["cidrv4", `${OCTET}(?:\\.${OCTET}){3}/(?:3[0-2]|[12]?\\d)`],
  ["ipvanyaddress", `${OCTET}(?:\\.${OCTET}){3}|${IPV6}`],
  ...[1, 3, 4, 5, 6, 7, 8].map((version) =>
    [
      `uuid${version}`,
      `${HEX}{8}-${HEX}{4}-${version}${HEX}{3}-[89abAB]${HEX}{3}-${HEX}{12}`,
    ] as const
  ),
  // notes of OpenAPI and pydantic to whoever shows or stores the text
  ...["password", "binary", "path", "textarea"].map((note) => [note, undefined] as const),
]);
