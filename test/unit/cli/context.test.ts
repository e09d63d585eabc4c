import { expect, test } from "bun:test";
import { systemContext } from "../../../src/cli/context.ts";
import { until } from "../../support/until.ts";

test("the first of SIGINT and SIGTERM aborts; both then do again what they did before, so the second ends at once", async () => {
  const listeners = () => ["SIGINT", "SIGTERM"].map((name) => process.listenerCount(name));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const before = listeners();
    const stop = systemContext().stopSignal();
    expect(listeners()).toEqual(before.map((count) => count + 1));
    process.kill(process.pid, signal);
    await until("it is aborted", () => stop.aborted);
    expect(listeners()).toEqual(before);
  }
});
