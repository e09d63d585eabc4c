import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { drained } from "../../../../src/io/gateway/drained.ts";

test("who waits for room goes on when there is some, or when the stream is closed, and listens no more", async () => {
  for (const name of ["drain", "close"]) {
    const stream = new EventEmitter();
    const waiting = drained(stream);
    stream.emit(name);
    await waiting;
    expect([stream.listenerCount("drain"), stream.listenerCount("close")]).toEqual([0, 0]);
  }
});
