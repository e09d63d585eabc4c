import { expect, test } from "bun:test";
import { eventFdOf, openEventFd } from "../../../ffi/eventfd.ts";
import { POLLIN, POLLNVAL, POLLOUT, Poller } from "../../../ffi/poll.ts";

test("an eventfd is readable from its signal, by whichever handle, until it is cleared", () => {
  const event = openEventFd();
  const poller = new Poller(1);
  const slot = poller.add(event.fd, POLLIN);
  expect([poller.wait(0), poller.ready(slot), event.clear()]).toEqual([0, 0, false]);
  eventFdOf(event.fd).signal();
  event.signal();
  expect([poller.wait(Infinity), poller.ready(slot)]).toEqual([1, POLLIN]);
  expect([event.clear(), event.clear(), poller.wait(0)]).toEqual([true, false, 0]);
  event.close();
});

test("a signal from another thread ends a wait", async () => {
  const event = openEventFd();
  const source = `
    import { eventFdOf } from ${JSON.stringify(new URL("../../../ffi/eventfd.ts", import.meta.url).href)};
    eventFdOf(${event.fd}).signal();
  `;
  const url = URL.createObjectURL(new Blob([source], { type: "application/typescript" }));
  const worker = new Worker(url);
  const poller = new Poller(1);
  poller.add(event.fd, POLLIN);
  // The worker starts only once this thread has gone back to its event loop.
  const deadline = performance.now() + 5_000;
  let count = 0;
  while (count === 0 && performance.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
    count = poller.wait(1);
  }
  expect(count).toBe(1);
  worker.terminate();
  event.close();
});

test("slots come and go, each with its own events", () => {
  const [a, b] = [openEventFd(), openEventFd()];
  const poller = new Poller(2);
  const slots = [poller.add(a.fd, POLLIN), poller.add(b.fd, POLLOUT)] as const;
  expect(() => poller.add(a.fd, POLLIN)).toThrow("this poller holds 2 descriptors");
  expect([poller.wait(0), poller.ready(slots[0]), poller.ready(slots[1])]).toEqual([1, 0, POLLOUT]);
  poller.setEvents(slots[0], POLLOUT);
  poller.remove(slots[1]);
  expect([poller.wait(0), poller.ready(slots[0]), poller.ready(slots[1])]).toEqual([1, POLLOUT, 0]);
  expect(poller.add(b.fd, POLLIN)).toBe(slots[1]);
  a.close();
  expect([poller.wait(0), poller.ready(slots[0])]).toEqual([1, POLLNVAL]);
  b.close();
});

test("an empty poller waits out its time, rounded up to whole milliseconds", () => {
  const started = performance.now();
  expect(new Poller(1).wait(4.2)).toBe(0);
  expect(performance.now() - started).toBeGreaterThan(4.2);
});

test("closing what is closed tells EBADF", () => {
  const event = openEventFd();
  event.close();
  expect(event.close).toThrow("close eventfd: Bad file descriptor (EBADF)");
});
