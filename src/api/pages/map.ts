/**
 * The page at `/map`: the swarm as this node sees it.
 *
 * @module
 */
import { Hono } from "hono";
import type { RouteEnvironment } from "../route_parts.ts";
import { type Asset, assetAnswers, pageResponse, scriptAsset, styleAsset } from "./assets.ts";
import plainStyle from "./client/plain.css" with { type: "text" };
import baseStyle from "./client/dashboard.css" with { type: "text" };
import style from "./client/map.css" with { type: "text" };
import page from "./client/map.html" with { type: "text" };
import mapScript from "./client/map.js" with { type: "text" };
import detailsScript from "./client/map_details.js" with { type: "text" };
import listScript from "./client/map_list.js" with { type: "text" };
import rowScript from "./client/map_row.js" with { type: "text" };
import rowsScript from "./client/map_rows.js" with { type: "text" };
import stripScript from "./client/map_strip.js" with { type: "text" };
import mapWordsScript from "./client/map_words.js" with { type: "text" };
import readScript from "./client/read.js" with { type: "text" };
import wordsScript from "./client/words.js" with { type: "text" };

/** The page; it tells nothing by itself, and so is the same for everyone. */
export const MAP_PAGE: string = page;

/** Files of the page. */
export const MAP_ASSETS: readonly Asset[] = [
  styleAsset("dashboard.css", baseStyle),
  styleAsset("map.css", style),
  styleAsset("plain.css", plainStyle),
  scriptAsset("map.js", mapScript),
  scriptAsset("map_details.js", detailsScript),
  scriptAsset("map_list.js", listScript),
  scriptAsset("map_row.js", rowScript),
  scriptAsset("map_rows.js", rowsScript),
  scriptAsset("map_strip.js", stripScript),
  scriptAsset("map_words.js", mapWordsScript),
  scriptAsset("read.js", readScript),
  scriptAsset("words.js", wordsScript),
];

const answerAsset = assetAnswers(MAP_ASSETS);

/** `/map` and `/map/assets/…`. */
export function mapRoutes(): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>();
  app.get("/map", () => pageResponse(MAP_PAGE));
  app.get("/map/assets/:name", async (context) => await answerAsset(context.req.raw) ?? context.notFound());
  return app;
}
