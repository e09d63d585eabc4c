import { systemContext } from "./cli/context.ts";
import { root } from "./cli/root.ts";
import { runCommandLine } from "./cli/run.ts";

process.exit(await runCommandLine(root, process.argv.slice(2), systemContext()));
