/**
 * Reads the XML of ENTSO-E's generation documents: no more of XML than they use. Declarations of types and entities end
 * the reading at once, so nothing can be expanded; depth, elements and points are bounded.
 *
 * @module
 */
import { wrong } from "./http.ts";

/** Generation of one kind of power stations. */
export interface GenerationSeries {
  /** Such as `B16`, solar. */
  readonly psrType: string;
  /** Whether the power was taken, not given: pumps and batteries that charge. */
  readonly consumption: boolean;
  /** EIC code of the zone, where it is told. */
  readonly domain: string | undefined;
  /** In order of time, of one resolution. */
  readonly points: readonly { readonly atMs: number; readonly megawatts: number }[];
}

/** A document with data, or the platform's words about why there is none. */
export type GenerationDocument =
  | { readonly state: "data"; readonly series: readonly GenerationSeries[] }
  | { readonly state: "refused"; readonly reason: string };

const SERVICE = "ENTSO-E";
const MAX_ELEMENTS = 40_000;
const MAX_DEPTH = 12;
const MAX_TEXT = 500;
/** Most positions of one period: a week of quarter-hours. */
const MAX_POSITIONS = 700;

/** An element with its own text and what is in it. */
interface Element {
  readonly name: string;
  text: string;
  readonly children: Element[];
}

const TOKEN = /<\?[^>]*\?>|<!--[\s\S]*?-->|<(\/?)([A-Za-z_][\w.:-]*)((?:\s[^<>]*)?\/?)>|([^<]+)|(<)/g;

/**
 * The series of a `GL_MarketDocument`. Throws `NodeError` `malformed` for anything that is no such document and no
 * acknowledgement of the platform.
 */
export function parseGeneration(text: string): GenerationDocument {
  const root = parseXml(text);
  if (root.name === "Acknowledgement_MarketDocument") {
    return { state: "refused", reason: find(root, "Reason", "text")?.text.trim() || "it has no data" };
  }
  if (root.name !== "GL_MarketDocument") throw wrong(SERVICE, "it is another document", "GL_MarketDocument");
  return { state: "data", series: all(root, "TimeSeries").map(readSeries) };
}

function readSeries(series: Element): GenerationSeries {
  const psrType = find(series, "MktPSRType", "psrType")?.text.trim();
  if (psrType === undefined) throw wrong(SERVICE, "a series has no fuel", "a psrType");
  const unit = find(series, "quantity_Measure_Unit.name")?.text.trim();
  if (unit !== undefined && unit !== "MAW") throw wrong(SERVICE, "a series is in another unit", "MAW");
  const taken = find(series, "outBiddingZone_Domain.mRID");
  // curve A03 leaves out positions whose value is that of the one before
  const repeats = find(series, "curveType")?.text.trim() === "A03";
  return {
    psrType,
    consumption: taken !== undefined,
    domain: (taken ?? find(series, "inBiddingZone_Domain.mRID"))?.text.trim(),
    points: all(series, "Period").flatMap((period) => readPeriod(period, repeats)),
  };
}

function readPeriod(period: Element, repeats: boolean): { atMs: number; megawatts: number }[] {
  const startMs = Date.parse(find(period, "timeInterval", "start")?.text.trim() ?? "");
  const endMs = Date.parse(find(period, "timeInterval", "end")?.text.trim() ?? "");
  const stepMs = Number(/^PT(\d{1,3})M$/.exec(find(period, "resolution")?.text.trim() ?? "")?.[1]) * 60_000;
  const count = (endMs - startMs) / stepMs;
  if (!Number.isInteger(count) || count < 1 || count > MAX_POSITIONS) {
    throw wrong(SERVICE, "a period has no times", "start, end and a resolution in minutes");
  }
  const values = new Map<number, number>();
  for (const point of all(period, "Point")) {
    const position = readNumber(point, "position");
    if (Number.isInteger(position) && position >= 1 && position <= count) {
      values.set(position, readNumber(point, "quantity"));
    }
  }
  const points: { atMs: number; megawatts: number }[] = [];
  for (let position = 1, last: number | undefined; position <= count; position++) {
    last = values.get(position) ?? (repeats ? last : undefined);
    if (last !== undefined) points.push({ atMs: startMs + (position - 1) * stepMs, megawatts: last });
  }
  return points;
}

function readNumber(element: Element, name: string): number {
  const text = find(element, name)?.text.trim() ?? "";
  if (!/^-?\d{1,12}(?:\.\d{1,9})?$/.test(text)) throw wrong(SERVICE, `${name} is no number`, "a number");
  return Number(text);
}

const all = (element: Element, name: string): Element[] =>
  element.children.filter((child) => child.name === name);

function find(element: Element, ...path: readonly string[]): Element | undefined {
  let at: Element | undefined = element;
  for (const name of path) at = at?.children.find((child) => child.name === name);
  return at;
}

/** The outermost element. Names lose their prefix; attributes are not kept. */
function parseXml(text: string): Element {
  const top: Element = { name: "", text: "", children: [] };
  const open = [top];
  let elements = 0;
  for (const [whole, closing, name, rest, content, stray] of text.matchAll(TOKEN)) {
    const here = open.at(-1)!;
    if (stray !== undefined) throw wrong(SERVICE, "it is no plain XML", "elements and text");
    if (content !== undefined) {
      if (content.includes("&")) here.text += content.replace(/&[^;]{0,10};?/g, " ").slice(0, MAX_TEXT);
      else if (here.text.length < MAX_TEXT) here.text += content.slice(0, MAX_TEXT);
    } else if (name !== undefined && closing === "/") {
      if (open.length === 1 || localName(name) !== here.name) {
        throw wrong(SERVICE, "its elements are not closed in order", "XML");
      }
      open.pop();
    } else if (name !== undefined) {
      const child = { name: localName(name), text: "", children: [] };
      here.children.push(child);
      if (!rest?.endsWith("/")) open.push(child);
      if (++elements > MAX_ELEMENTS || open.length > MAX_DEPTH) {
        throw wrong(SERVICE, "it has too many elements", `at most ${MAX_ELEMENTS}, ${MAX_DEPTH} deep`);
      }
    } else if (whole.length > MAX_TEXT) throw wrong(SERVICE, "it has too long a note", "a document");
  }
  const [root] = top.children;
  if (root === undefined || top.children.length > 1 || open.length > 1) {
    throw wrong(SERVICE, "it is cut off or no XML", "one whole document");
  }
  return root;
}

const localName = (name: string): string => name.slice(name.indexOf(":") + 1);
