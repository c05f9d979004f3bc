/**
 * The page at `/map`: the swarm as this node sees it.
 *
 * @module
 */
import { Hono } from "hono";
import type { RouteEnvironment } from "../lazy_routes.ts";
import { type Asset, assetAnswers, pageResponse } from "./assets.ts";
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

const script = (name: string, text: string): Asset => ({ name, type: "text/javascript", text });

/** The page; it tells nothing by itself, and so is the same for everyone. */
export const MAP_PAGE: string = page;

/** Files of the page. */
export const MAP_ASSETS: readonly Asset[] = [
  { name: "dashboard.css", type: "text/css", text: baseStyle },
  { name: "map.css", type: "text/css", text: style },
  { name: "plain.css", type: "text/css", text: plainStyle },
  script("map.js", mapScript),
  script("map_details.js", detailsScript),
  script("map_list.js", listScript),
  script("map_row.js", rowScript),
  script("map_rows.js", rowsScript),
  script("map_strip.js", stripScript),
  script("map_words.js", mapWordsScript),
  script("read.js", readScript),
  script("words.js", wordsScript),
];

const answerAsset = assetAnswers(MAP_ASSETS);

/** `/map` and `/map/assets/…`. */
export function mapRoutes(): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>();
  app.get("/map", () => pageResponse(MAP_PAGE));
  app.get("/map/assets/:name", async (context) => await answerAsset(context.req.raw) ?? context.notFound());
  return app;
}
