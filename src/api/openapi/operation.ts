/**
 * Operations: what a route takes and what it answers.
 *
 * @module
 */
import { STATUS_CODES } from "node:http";
import { named, type Schema, TEXT } from "./schema.ts";

/** Part of an OpenAPI document. */
export type Part = Readonly<Record<string, unknown>>;

/** JSON, as all routes answer it. */
export const JSON_TYPE = "application/json";

/** What is told of an operation. */
export interface OperationParts {
  readonly tag: string;
  readonly summary: string;
  readonly parameters?: readonly Part[];
  /** Of the JSON body. */
  readonly body?: Schema;
  /** Answers by status. */
  readonly answers: Readonly<Record<number, Part>>;
}

/** Content that is told by its type alone: OpenAPI 3.1 has no word for the parts of a stream. */
export const STREAM = undefined;

/** An answer with one or more types of content. */
export const answer = (words: string, content: Readonly<Record<string, Schema | undefined>>): Part => ({
  description: words,
  content: Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, schema === undefined ? {} : { schema }]),
  ),
});

/** A JSON answer. */
export const jsonAnswer = (words: string, schema: Schema): Part => answer(words, { [JSON_TYPE]: schema });

/** Failures in one of the shapes, which are named in the components. */
export const failures = (shape: string, ...statuses: readonly number[]): Readonly<Record<number, Part>> =>
  Object.fromEntries(statuses.map((status) => [status, {
    ...jsonAnswer(STATUS_CODES[status] ?? "failed", named(shape)),
    // when to try again
    ...(status === 429 || status === 503
      ? { headers: { "retry-after": { description: "Seconds.", required: true, schema: TEXT } } }
      : {}),
  }]));

/** A parameter of the query. */
export const query = (name: string, schema: Schema, more: Part = {}): Part => ({
  name,
  in: "query",
  schema,
  ...more,
});

/** A part of the path. */
export const inPath = (name: string): Part => ({
  name,
  in: "path",
  required: true,
  schema: { type: "string", minLength: 1 },
});

/** An operation. Its id is made of its words: clients are named after it. */
export function operation({ tag, summary, parameters, body, answers }: OperationParts): Part {
  return {
    tags: [tag],
    summary,
    ...(parameters === undefined ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { [JSON_TYPE]: { schema: body } } } }),
    responses: answers,
  };
}
