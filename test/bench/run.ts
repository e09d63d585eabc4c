/** `npm run bench NAME [OPTIONS]`: runs one of the benchmarks; without a name it lists them. */
import type { Benchmark } from "./benchmark.ts";
import { dht } from "./dht.ts";
import { dnetdb } from "./dnetdb.ts";
import { flood } from "./flood.ts";
import { nat } from "./nat.ts";
import { tunnel } from "./tunnel.ts";
import { udx } from "./udx.ts";

const BENCHMARKS: readonly Benchmark[] = [tunnel, dht, udx, nat, flood, dnetdb];

const [name, ...args] = process.argv.slice(2);
const chosen = BENCHMARKS.find((benchmark) => benchmark.name === name);
if (chosen) process.exit(await chosen.run(args));
const list = BENCHMARKS.map((benchmark) => `  npm run bench ${benchmark.name.padEnd(10)} ${benchmark.summary}`).join(
  "\n",
);
if (name === undefined) console.log(list);
else console.error(`error USAGE: no benchmark is named ${name}\n${list}`);
process.exit(name === undefined ? 0 : 2);
