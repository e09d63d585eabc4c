/** Our multiplexer against the real protomux, over a stream in memory. */
import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { Mux } from "../../src/transport/mux.ts";
import { until } from "../support/until.ts";

const require = createRequire(import.meta.url);

/** The half of a stream that protomux needs, with our mux at the other end. */
class Pipe extends EventEmitter {
  userData = null;
  destroyed = false;
  readonly events: string[] = [];
  readonly mux = new Mux({
    write: (_now, message) => {
      queueMicrotask(() => this.emit("data", Buffer.from(message)));
      return true;
    },
    offered: (_now, { protocol }) => (protocol === "wanted" ? this.owner("offered") : null),
    broken: () => void this.events.push("broken"),
  });

  owner(label: string) {
    return {
      opened: () => void this.events.push(`${label} opened`),
      message: (_now: number, _channel: unknown, type: number, payload: Uint8Array) =>
        void this.events.push(`${label} ${type} ${payload.toHex()}`),
      closed: () => void this.events.push(`${label} closed`),
    };
  }
  write(message: Uint8Array): boolean {
    this.mux.receive(0, new Uint8Array(message));
    return true;
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

test("channels open, carry, batch, reject and close between ours and protomux", async () => {
  const Protomux = require("protomux");
  const c = require("compact-encoding");
  const pipe = new Pipe();
  const theirs = new Protomux(pipe);
  const heard: string[] = [];
  const make = (protocol: string, id: Buffer | null = null) =>
    theirs.createChannel({
      protocol,
      id,
      messages: [{ encoding: c.raw, onmessage: (bytes: Uint8Array) => heard.push(Buffer.from(bytes).toString("hex")) }],
      onopen: () => heard.push(`${protocol} opened`),
      onclose: () => heard.push(`${protocol} closed`),
    });

  const wanted = make("wanted");
  wanted.open();
  wanted.messages[0].send(Buffer.from("aa", "hex"));
  make("unwanted").open();
  await until(
    "one is open and the other rejected",
    () => heard.includes("wanted opened") && heard.includes("unwanted closed"),
  );
  expect(pipe.events).toEqual(["offered opened", "offered 0 aa"]);

  theirs.cork();
  for (const hex of ["01", "02", "03"]) wanted.messages[0].send(Buffer.from(hex, "hex"));
  theirs.uncork();
  expect(pipe.events.slice(2)).toEqual(["offered 0 01", "offered 0 02", "offered 0 03"]);

  const both = make("both", Buffer.from("07", "hex"));
  const ours = pipe.mux.open(0, { protocol: "both", id: Uint8Array.of(7) }, pipe.owner("ours"))!;
  both.open();
  ours.send(0, 0, Uint8Array.of(0xbb));
  await until("it is open on both sides", () => heard.includes("both opened") && heard.includes("bb"));
  ours.close(0);
  wanted.close();
  await until("both are closed", () => heard.includes("both closed") && pipe.events.includes("offered closed"));
  expect(pipe.mux.size).toBe(0);
});
