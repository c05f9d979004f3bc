/** Sizes past which one should ask what wants to be its own thing. Advice: `deno task advice` prints it and never fails. */
const MAX_FILE = 400, MAX_FUNCTION = 60, MAX_PARAMETERS = 4;

const inSource = (path: string) => path.includes("/src/");
type AnyFunction =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

const plugin: Deno.lint.Plugin = {
  name: "advice",
  rules: {
    sizes: {
      create(context) {
        if (!inSource(context.filename)) return {};
        const text = context.sourceCode.text;
        const check = (node: AnyFunction) => {
          const lines = text.slice(node.range[0], node.range[1]).split("\n").length;
          if (lines > MAX_FUNCTION) {
            context.report({
              node,
              message: `Function has ${lines} lines, the limit is ${MAX_FUNCTION}`,
            });
          }
          if (node.params.length > MAX_PARAMETERS) {
            context.report({
              node,
              message: `Function takes ${node.params.length} parameters, the limit is ${MAX_PARAMETERS}`,
            });
          }
        };
        return {
          Program(node) {
            const lines = text.split("\n").length;
            if (lines > MAX_FILE) {
              context.report({
                node,
                message: `File has ${lines} lines, the limit is ${MAX_FILE}`,
              });
            }
          },
          FunctionDeclaration: check,
          FunctionExpression: check,
          ArrowFunctionExpression: check,
        };
      },
    },
  },
};
export default plugin;
