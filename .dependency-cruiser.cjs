/** Arrows point one way: schemas <- infra <- services <- services/main.ts; test sees everything. No circles. */
const services = ["gateway", "correlator", "projector", "api", "console", "cli"];

module.exports = {
  forbidden: [
    { name: "no-circles", severity: "error", from: {}, to: { circular: true } },
    { name: "resolves", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^node:" } },
    {
      name: "no-orphan-dependency",
      severity: "error",
      from: {},
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "no-dev-library-in-product",
      severity: "error",
      from: { path: "^(services|infra|schemas)" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "schemas-see-nothing",
      severity: "error",
      from: { path: "^schemas" },
      to: { path: "^(infra|services|test|bench)" },
    },
    { name: "infra-sees-schemas", severity: "error", from: { path: "^infra" }, to: { path: "^(services|test|bench)" } },
    { name: "product-sees-no-test", severity: "error", from: { path: "^services" }, to: { path: "^(test|bench)" } },
    {
      name: "only-main-wires",
      severity: "error",
      comment: "Services never import each other: they meet in the log and the store.",
      from: { path: `^services/(${services.join("|")})/`, pathNot: "^services/main" },
      to: { path: `^services/(${services.join("|")})/`, pathNot: "^services/$1/" },
    },
    {
      name: "main-is-the-top",
      severity: "error",
      from: { path: "^(services/[a-z]+/|infra|schemas)" },
      to: { path: "^services/main" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".tsx", ".js", ".mjs", ".cjs", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
