/**
 * What a setting is made of: its kind, range, default and sentence. The settings themselves stand in `schema.ts` and, by
 * subject, in `keys_*.ts`.
 *
 * @module
 */
import * as v from "valibot";

/** How the text of a flag or of the environment becomes a value. */
export type KeyKind = "text" | "integer" | "number" | "boolean" | "list";

/** One setting. `schema` takes the value as TOML would give it; `undefined` stands for "not set". */
export interface ConfigKey<S extends v.GenericSchema = v.GenericSchema> {
  readonly kind: KeyKind;
  readonly schema: S;
  /** Absent where nothing is the default. */
  readonly fallback: v.InferOutput<S>;
  readonly unit?: string;
  readonly sentence: string;
  /** Whether the value is a password or token, which is never shown. */
  readonly secret?: true;
}

/** Makes a setting. */
export const key = <S extends v.GenericSchema>(
  kind: KeyKind,
  schema: S,
  fallback: v.InferOutput<S>,
  sentence: string,
  unit?: string,
): ConfigKey<S> => ({ kind, schema, fallback, sentence, ...(unit === undefined ? {} : { unit }) });

/** A setting that is a password or token: shown only as set or not. */
export const secretKey = (sentence: string): ConfigKey<typeof text> => ({
  ...key("text", text, undefined, sentence),
  secret: true,
});

/** Text, or nothing. */
export const text = v.optional(v.pipe(v.string(), v.nonEmpty("text that is not empty")));
/** A whole number in a range, both ends included. */
export const whole = (min: number, max: number) =>
  v.pipe(
    v.number("a whole number"),
    v.integer("a whole number"),
    v.minValue(min, `${min} or more`),
    v.maxValue(max, `${max} or less`),
  );
/** A number, with a fraction or without, in a range, both ends included. */
export const decimal = (min: number, max: number) =>
  v.pipe(
    v.number("a number"),
    v.finite("a number"),
    v.minValue(min, `${min} or more`),
    v.maxValue(max, `${max} or less`),
  );
/** One of some words. */
export const choice = <const T extends readonly string[]>(...options: T) =>
  v.picklist(options, `one of ${options.join(", ")}`);
/** Text of a form; `wanted` says which. */
export const matching = (pattern: RegExp, wanted: string) =>
  v.pipe(v.string(wanted), v.regex(pattern, wanted));
/** A list. */
export const listOf = <S extends v.GenericSchema<string, string>>(item: S) => v.array(item, "a list");
