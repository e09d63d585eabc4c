/** The simulated NATs are those of the laboratory: `src/io/lab/`. */
export * from "../../../src/io/lab/nat-behaviour.ts";
