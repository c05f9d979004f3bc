/**
 * Bodies of requests, checked.
 *
 * @module
 */
import * as v from "valibot";
import { NodeError } from "../base/errors.ts";
import { fieldError } from "./wrong_field.ts";

/** Longest part of a wrong value that is shown. */
const MAX_SHOWN = 40;
/** Lists and objects within each other: what is written back, or given to a template, is gone through by recursion. */
const MAX_DEPTH = 128;

/** The JSON body of a request, checked. Throws `NodeError` `usage` that names the field. */
export async function readBody<S extends v.GenericSchema>(
  request: Request,
  schema: S,
): Promise<v.InferOutput<S>> {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (!["", "identity"].includes(encoding)) {
    throw new NodeError(
      "usage",
      `Cannot read the request: its body is packed (${encoding.slice(0, MAX_SHOWN)}), wanted it as it is`,
    );
  }
  const json = await request.text();
  if (isDeeper(json, MAX_DEPTH)) {
    throw new NodeError(
      "usage",
      `Cannot read the request: its body has more than ${MAX_DEPTH} lists and objects within each other, wanted fewer`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new NodeError("usage", "Cannot read the request: its body is no JSON, wanted a JSON object");
  }
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  throw issueError(issues[0]);
}

/** Whether JSON has more than `most` lists and objects within each other. One pass, whatever the text. */
function isDeeper(json: string, most: number): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const mark = json[at];
    if (isText) {
      if (mark === "\\") at++;
      else if (mark === '"') isText = false;
    } else if (mark === '"') isText = true;
    else if (mark === "[" || mark === "{") {
      if (++depth > most) return true;
    } else if (mark === "]" || mark === "}") depth--;
  }
  return false;
}

/** The failure of a field that is not there. */
export const missingField = (field: string): NodeError => fieldError(field, "is missing, wanted one");

/** The failure that an issue is; `below` is the path of what was checked. */
export function issueError(issue: v.BaseIssue<unknown>, below?: string): NodeError {
  const { received, expected, message } = issue;
  const field = [below, v.getDotPath(issue)].filter((part) => typeof part === "string").join(".");
  if (field === "") {
    return new NodeError("usage", `Cannot answer: the body is ${received}, wanted a JSON object`);
  }
  if (received === "undefined") return missingField(field);
  const found = received.length > MAX_SHOWN ? `${received.slice(0, MAX_SHOWN)}…` : received;
  const wanted = message.startsWith("Invalid ") ? expected : message;
  return fieldError(field, `is ${found}, wanted ${wanted ?? "another value"}`);
}

/** A field that may be absent or null, both the same. */
export const maybe = <S extends v.GenericSchema>(schema: S) =>
  v.optional(v.pipe(v.nullable(schema), v.transform((value) => value ?? undefined)));

/** A number in a range, both ends included. */
export const numberIn = (min: number, max: number) =>
  v.pipe(
    v.number("a number"),
    v.minValue(min, `${min} or more`),
    v.maxValue(max, `${max} or less`),
  );

/** A whole number in a range, both ends included. */
export const wholeIn = (min: number, max: number) =>
  v.pipe(
    v.number("a whole number"),
    v.safeInteger("a whole number"),
    v.minValue(min, `${min} or more`),
    v.maxValue(max, `${max} or less`),
  );

/** A seed of 64 bits; of those past 2 ** 53 JSON keeps the upper bits only. */
export const SEED = v.pipe(
  v.number("a whole number"),
  v.integer("a whole number"),
  v.minValue(-(2 ** 63), "a number of 64 bits"),
  v.maxValue(2 ** 64, "a number of 64 bits"),
);

/** Any whole number is a seed: those below 0 and past 2 ** 53 stand for others between. */
export const seedOf = (seed: number): number => {
  const rest = seed % 2 ** 53;
  // -0 is 0
  return rest < 0 ? 2 ** 53 + rest : rest + 0;
};

/** Any JSON object. */
export const jsonObject = v.record(v.string(), v.unknown(), "an object");
