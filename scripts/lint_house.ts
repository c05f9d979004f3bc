/** House rules that a linter can hold: floors, clock, docs. Sizes are advice: `lint_advice.ts`. */
const FLOORS: readonly (readonly string[])[] = [
  ["base"],
  ["config"],
  ["identity", "device", "model"],
  ["p2p", "compute", "energy", "vault", "policy", "rewards", "compliance"],
  ["dht"],
  ["petals"],
  ["text"],
  ["api", "browser"],
  ["node"],
  ["cli"],
];
const FLOOR = new Map(
  FLOORS.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)),
);
const CLOCK_FILE = "/src/base/system_world.ts";

const roomOf = (path: string) => path.match(/\/src\/([a-z0-9_]+)\//)?.[1];
const inSource = (path: string) => path.includes("/src/");
const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    floors: {
      create(context) {
        const here = roomOf(context.filename);
        if (here === undefined) return {};
        const check = (
          node:
            | Deno.lint.ImportDeclaration
            | Deno.lint.ExportNamedDeclaration
            | Deno.lint.ExportAllDeclaration,
        ) => {
          const source = node.source?.value;
          if (typeof source !== "string" || !source.startsWith(".")) return;
          const there = roomOf(new URL(source, `file://${context.filename}`).pathname);
          if (there === undefined || there === here) return;
          if (FLOOR.get(there)! < FLOOR.get(here)!) return;
          context.report({
            node,
            message: `src/${here} may not import src/${there}`,
            hint: "Take it as an argument, or move the shared type to a lower floor",
          });
        };
        return {
          ImportDeclaration: check,
          ExportNamedDeclaration: check,
          ExportAllDeclaration: check,
        };
      },
    },
    clock: {
      create(context) {
        if (!inSource(context.filename) || context.filename.endsWith(CLOCK_FILE)) return {};
        const bad = (node: Deno.lint.Node) =>
          context.report({ node, message: "Reads the machine's clock", hint: "Take world.clock" });
        return {
          "MemberExpression[object.name='Date'][property.name='now']": bad,
          "MemberExpression[object.name='performance'][property.name='now']": bad,
          "NewExpression[callee.name='Date'][arguments.length=0]": bad,
          "CallExpression[callee.name=/^(setTimeout|setInterval)$/]": bad,
        };
      },
    },
    signals: {
      create(context) {
        if (!inSource(context.filename)) return {};
        return {
          "MemberExpression[object.name='AbortSignal'][property.name='any']": (node: Deno.lint.Node) =>
            context.report({
              node,
              message: "AbortSignal.any may never abort on Deno 2.6.10",
              hint: "Take openFirstOf of base/deadline.ts and dispose it",
            }),
        };
      },
    },
    documented: {
      create(context) {
        if (!inSource(context.filename)) return {};
        const text = context.sourceCode.text;
        return {
          ExportNamedDeclaration(node) {
            if (node.source || !node.declaration) return;
            if (!/\*\/\s*$/.test(text.slice(0, node.range[0]))) {
              context.report({ node, message: "Export has no JSDoc" });
            }
          },
        };
      },
    },
  },
};
export default plugin;
