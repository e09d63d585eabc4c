/** What tests send through a tunnel: pings, a stream whose hash is compared, datagrams of every size. */
import type { Socket } from "bun";
import type { Namespace } from "./namespaces.ts";
import { SeededRandom } from "./random.ts";
import type { Scene } from "./scene.ts";
import { until } from "./until.ts";

const BLOCK_BYTES = 256 * 1024;
const STREAM_PORT = 4_000;
const ECHO_PORT = 5_000;
const ANSWER_WITHIN_MS = 2_000;
/** Datagrams under way at once: they fit every queue and send buffer, so on a clean path none may be lost. */
const ECHO_WINDOW = { datagrams: 16, bytes: 65_536 };

/** Runs ping(8), which gives up two seconds after its last request; `answered` counts replies. */
export async function ping(
  scene: Scene,
  from: Namespace,
  to: string,
  { count = 3, options = [] as readonly string[] } = {},
): Promise<{ answered: number; output: string }> {
  const command = ["ping", "-n", "-c", `${count}`, "-i", "0.02", "-W", "2", ...options, to];
  const { stdout, stderr } = await scene.run(from, command);
  return { answered: Number(/(\d+) received/.exec(stdout)?.[1] ?? 0), output: stdout + stderr };
}

/** Pings until an answer comes. */
export async function pingUntilAnswered(
  scene: Scene,
  from: Namespace,
  to: string,
  { withinMs = 10_000 } = {},
): Promise<void> {
  const once = async () => (await ping(scene, from, to, { count: 1, options: ["-W", "0.3"] })).answered === 1;
  await until(`${to} answers ${from.name}`, once, { withinMs });
}

export interface Transfer {
  /** SHA-256 in hex, and how many bytes were hashed. */
  readonly sent: { readonly hash: string; readonly bytes: number };
  readonly received: { readonly hash: string; readonly bytes: number };
}

/** Sends `bytes` over TCP from one namespace to `address` in another. Throws when it takes longer than `withinMs`. */
export async function transfer(
  from: Namespace,
  to: Namespace,
  address: string,
  bytes: number,
  { withinMs = 20_000 } = {},
): Promise<Transfer> {
  const received = Promise.withResolvers<Transfer["received"]>();
  const hasher = new Bun.CryptoHasher("sha256");
  let arrived = 0;
  const server = to.enter(() =>
    Bun.listen({
      hostname: address,
      port: STREAM_PORT,
      socket: {
        data(_socket, chunk) {
          arrived += chunk.length;
          hasher.update(chunk);
        },
        end: (socket) => void socket.end(),
        close: () => received.resolve({ hash: hasher.digest("hex"), bytes: arrived }),
      },
    }),
  );
  const late = Promise.withResolvers<never>();
  const tooLate = () => late.reject(new Error(`${arrived} of ${bytes} bytes came to ${address} within ${withinMs} ms`));
  const timer = setTimeout(tooLate, withinMs);
  try {
    const sent = await Promise.race([send(from, address, bytes), late.promise]);
    return { sent, received: await Promise.race([received.promise, late.promise]) };
  } finally {
    clearTimeout(timer);
    server.stop(true);
  }
}

async function send(from: Namespace, address: string, bytes: number): Promise<Transfer["sent"]> {
  const done = Promise.withResolvers<void>();
  const hasher = new Bun.CryptoHasher("sha256");
  const block = new SeededRandom(bytes).bytes(BLOCK_BYTES);
  const stamp = new DataView(block.buffer);
  let blocks = 0;
  let left = bytes;
  let waiting = block.subarray(0, 0);
  const fill = (socket: Socket) => {
    for (;;) {
      if (waiting.length === 0) {
        if (left === 0) return void socket.end();
        stamp.setUint32(0, blocks++); // so that no two blocks are alike
        waiting = block.subarray(0, Math.min(left, BLOCK_BYTES));
        left -= waiting.length;
        hasher.update(waiting);
      }
      const written = socket.write(waiting);
      waiting = waiting.subarray(Math.max(0, written));
      if (waiting.length > 0) return;
    }
  };
  await from.enter(() =>
    Bun.connect({
      hostname: address,
      port: STREAM_PORT,
      socket: {
        data() {},
        open: fill,
        drain: fill,
        error: (_socket, error) => done.reject(error),
        connectError: (_socket, error) => done.reject(error),
        close: () => done.resolve(),
      },
    }),
  );
  await done.promise;
  return { hash: hasher.digest("hex"), bytes };
}

/**
 * Sends one datagram of each size to `address` and back, and stops at the first that does not come back as it was. Returns
 * the sizes that have not.
 */
export async function echoSizes(
  from: Namespace,
  to: Namespace,
  address: string,
  sizes: readonly number[],
): Promise<number[]> {
  const missing = new Set(sizes);
  const content = new SeededRandom(1).bytes(65_507);
  const server = await to.enter(() =>
    Bun.udpSocket({
      hostname: address,
      port: ECHO_PORT,
      socket: { data: (socket, datagram, port, host) => void socket.send(datagram, port, host) },
    }),
  );
  const client = await from.enter(() =>
    Bun.udpSocket({
      hostname: address.includes(":") ? "::" : "0.0.0.0",
      socket: {
        data: (_socket, datagram) => {
          if (datagram.equals(content.subarray(0, datagram.length))) missing.delete(datagram.length);
        },
      },
    }),
  );
  try {
    for (const window of windows(sizes)) {
      for (const size of window) client.send(content.subarray(0, size), ECHO_PORT, address);
      const isBack = () => window.every((size) => !missing.has(size));
      await until("the window came back", isBack, { withinMs: ANSWER_WITHIN_MS, everyMs: 1 }).catch(() => {});
      if (!isBack()) break; // the caller knows enough
    }
    return [...missing];
  } finally {
    server.close();
    client.close();
  }
}

function windows(sizes: readonly number[]): number[][] {
  const all: number[][] = [];
  let bytes = 0;
  for (const size of sizes) {
    const last = all.at(-1);
    const fits = last && last.length < ECHO_WINDOW.datagrams && bytes + size <= ECHO_WINDOW.bytes;
    if (fits) last.push(size);
    else all.push([size]);
    bytes = fits ? bytes + size : size;
  }
  return all;
}
