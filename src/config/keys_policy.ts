/**
 * When the node contributes, slows down or withdraws.
 *
 * @module
 */
import * as v from "valibot";
import { choice, type ConfigKey, decimal, key, listOf, matching, whole } from "./key.ts";

const CLOCK = "(?:(?:[01]\\d|2[0-3]):[0-5]\\d|24:00)";
const DAYS = "(?:sun|mon|tue|wed|thu|fri|sat)(?:-(?:sun|mon|tue|wed|thu|fri|sat))?";
const WEEK_TIME = matching(
  new RegExp(`^(?:${DAYS}(?:,${DAYS})* )?${CLOCK}-${CLOCK}$`, "i"),
  "a time such as 22:00-06:00 or mon-fri 08:00-18:00",
);
const ACTION = choice("contribute", "slow", "withdraw");
const BYTES = whole(0, Number.MAX_SAFE_INTEGER);
const MIB = 2 ** 20;

/** Settings of `policy.*`. */
export const POLICY_KEYS = {
  "policy.enabled": key("boolean", v.boolean("true or false"), true, "Whether the rules below count."),
  "policy.require": key(
    "list",
    listOf(choice(
      ...["undervoltage", "heat", "battery", "battery_level", "battery_heat", "metered", "wifi"],
      ...["quiet_hours", "hours", "network_hours", "green", "other_load", "memory", "memory_pressure"],
      ...["disk", "month_bytes", "day_writes"],
    )),
    [],
    "Rules that must know what they judge by: heat lets no board contribute whose temperature is not known.",
  ),
  "policy.rest_seconds": key(
    "integer",
    whole(1, 86_400),
    60,
    "What is better must last so long before more work is taken.",
    "seconds",
  ),
  "policy.on_battery": key("text", ACTION, "withdraw", "What to do while the machine runs on its battery."),
  "policy.battery_min_percent": key(
    "number",
    decimal(0, 100),
    0,
    "Least level of the battery, also while it is charged.",
    "%",
  ),
  "policy.battery_max_celsius": key(
    "number",
    decimal(0, 100),
    40,
    "Highest temperature of the battery.",
    "°C",
  ),
  "policy.metered": key("text", ACTION, "withdraw", "What to do while the network link is metered."),
  "policy.link_metered": key(
    "text",
    choice("auto", "yes", "no"),
    "auto",
    "Whether the link is metered; auto asks NetworkManager, and takes cellular links for metered.",
  ),
  "policy.wifi_only": key(
    "boolean",
    v.boolean("true or false"),
    false,
    "Whether cellular links are not used.",
  ),
  "policy.slow_celsius": key(
    "number",
    decimal(0, 150),
    75,
    "From this temperature on fewer sessions are taken.",
    "°C",
  ),
  "policy.pause_celsius": key(
    "number",
    decimal(0, 150),
    82,
    "From this temperature on none are taken.",
    "°C",
  ),
  "policy.resume_celsius": key(
    "number",
    decimal(0, 150),
    70,
    "Below this temperature they are taken again.",
    "°C",
  ),
  "policy.undervoltage": key(
    "boolean",
    v.boolean("true or false"),
    true,
    "Whether too weak a supply, as a Raspberry Pi notices it, pauses the node.",
  ),
  "policy.quiet_hours": key("list", listOf(WEEK_TIME), [], "Times of rest, local time: mon-fri 08:00-18:00."),
  "policy.hours": key("list", listOf(WEEK_TIME), [], "Times of work, local time; always without any."),
  "policy.network_hours": key(
    "list",
    listOf(WEEK_TIME),
    [],
    "Times in which the network may be used for others, local time; always without any.",
  ),
  "policy.green_grams_per_kwh": key(
    "number",
    decimal(0, 2000),
    0,
    "Carbon of the grid above which fewer sessions are taken; 0 is off.",
    "g/kWh",
  ),
  "policy.other_cpu_percent": key(
    "number",
    decimal(0, 100),
    0,
    "Share of the processors that other programs may use before the node makes room; 0 is off.",
    "%",
  ),
  "policy.min_available_bytes": key("integer", BYTES, 64 * MIB, "Least memory left to the machine.", "bytes"),
  // systemd-oomd ends whole groups of programs at 60 (oomd.conf(5), DefaultMemoryPressureLimit)
  "policy.memory_pressure_percent": key(
    "number",
    decimal(0, 100),
    20,
    "Share of the time in which all programs wait for memory (/proc/pressure/memory) that pauses; 0 is off.",
    "%",
  ),
  "policy.min_disk_free_bytes": key(
    "integer",
    BYTES,
    100 * MIB,
    "Least room left on the disk of the data folder.",
    "bytes",
  ),
  "policy.month_bytes": key(
    "integer",
    BYTES,
    0,
    "Most bytes of requests and replies in a month; 0 is no limit.",
    "bytes",
  ),
  "policy.day_write_bytes": key(
    "integer",
    BYTES,
    0,
    "Most bytes written to disk in a day; 0 is no limit.",
    "bytes",
  ),
} as const satisfies Record<string, ConfigKey>;
