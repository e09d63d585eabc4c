/**
 * DNetDB's replication over any ordered stream of bytes: a Unix socket to a process of this machine, a secret stream to another
 * one. Each message of `overlay/dnetdb/sync-messages.ts` is a frame.
 */
import { SQLiteError } from "bun:sqlite";
import { chmodSync, rmSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { monotonicMs } from "../../ffi/libc.ts";
import { DnetError } from "../base/error.ts";
import type { Taken } from "../overlay/dnetdb/intake.ts";
import { type PeerOptions, Replica, type ReplicaOptions, type ReplicaOutput } from "../overlay/dnetdb/replica.ts";
import type { Store, Verdict } from "../overlay/dnetdb/store.ts";
import { DROP_REASONS, type Sync } from "../overlay/dnetdb/sync.ts";
import { type Interests, type Item, MAX_FRAME_BYTES } from "../overlay/dnetdb/sync-messages.ts";
import type { News } from "../overlay/dnetdb/sync-serve.ts";
import { drive } from "./drive.ts";
import { type ByteStream, FrameReader, writeFrame } from "./frames.ts";

export type { ByteStream } from "./frames.ts";

/** How long whoever was told why it is dropped has to hang up. */
const LAST_WORD_MS = 2_000;

/** One peer. */
export interface SyncLink {
  /** Resolves once each has all that the other has told of. Rejects with DnetError when it is over before, or with what SQLite says. */
  readonly settled: Promise<void>;
  /** Why it is over: a sentence, or null when one of the two just hung up. */
  readonly closed: Promise<string | null>;
  /** Asks for other records. */
  follow(interests: Interests): void;
  close(): void;
}

export interface Replication {
  /** Takes the stream over. Throws DnetError when there are too many peers. */
  attach(stream: ByteStream, options: PeerOptions): SyncLink;
  /** What this machine says: kept, and told to everyone. */
  submit(bytes: Uint8Array, body: Uint8Array | null): Verdict;
  /** What was found elsewhere, as in the DHT: held against the same rules, and told to everyone. `from` names the place. */
  bring(from: string, record: Uint8Array, items: readonly Item[]): Taken;
  /** The store was changed by other means: a block was sealed, or another process wrote to it. */
  changed(): void;
  /** Hangs up on everyone, and keeps how far each was read. The store is the caller's. */
  close(): void;
}

export interface ReplicationOptions extends ReplicaOptions {
  /** What was not here, right after it was committed; `from` names the peer, null is this machine. */
  readonly onNews?: (news: News, from: string | null) => void;
}

interface Link {
  readonly peer: Sync;
  readonly name: string;
  readonly stream: ByteStream;
  readonly settled: PromiseWithResolvers<void>;
  readonly closed: PromiseWithResolvers<string | null>;
  hasRoom: boolean;
  isOver: boolean;
}

export function replicate(store: Store, { onNews, ...options }: ReplicationOptions = {}): Replication {
  const replica = new Replica(store, options);
  const links = new Map<Sync, Link>();
  // How far a peer was read is read again where there is no room to keep it.
  const advance = (now: number) => void refusalIn(() => replica.advance(now));
  const machine = { advance, deadline: () => replica.deadline(), drain: () => replica.drain() };
  const driven = drive<ReplicaOutput>(machine, (output) => hear(output));
  const hear = (output: ReplicaOutput) => {
    if (output.type === "news") return onNews?.(output.news, output.from && (links.get(output.from)?.name ?? null));
    const link = links.get(output.peer);
    if (!link) return;
    if (output.type === "ready") pump(link);
    else if (output.type === "settled") link.settled.resolve();
    else
      drop(
        link,
        output.reason ? `${link.name} was dropped: ${DROP_REASONS[output.reason]}` : saidBy(link, output.word),
      );
  };
  /** As long as the stream has room; the frame that fills it is the last. */
  const pump = (link: Link) =>
    driven.input((now) => {
      while (link.hasRoom && !link.isOver) {
        const frame = replica.take(now, link.peer);
        if (!frame) return;
        link.hasRoom = writeFrame(link.stream, frame);
      }
    });
  const drop = (link: Link, why: string) => {
    const last = replica.take(monotonicMs(), link.peer);
    if (last && !link.isOver) writeFrame(link.stream, last);
    link.stream.end();
    setTimeout(() => link.stream.destroy(), LAST_WORD_MS).unref();
    over(link, why);
  };
  const over = (link: Link, why: string | null) => {
    if (link.isOver) return;
    link.isOver = true;
    links.delete(link.peer);
    refusalIn(() => driven.input(() => replica.disconnect(Date.now(), link.peer)));
    link.closed.resolve(why);
    const sentence = why ?? `${link.name} hung up`;
    link.settled.reject(new DnetError("SYNC_ENDED", sentence, { failure: "unreachable" })); // after `settled` it changes nothing
  };
  /** What it brings cannot be kept, as on a full disk: it can call again. */
  const letGo = (link: Link, refusal: SQLiteError) => {
    link.settled.reject(refusal);
    over(link, `${link.name} was let go, as the store cannot be written: ${refusal.message}`);
    link.stream.destroy();
  };
  const listen = (link: Link, frames: FrameReader) => {
    const { stream, peer } = link;
    stream.on("data", (bytes) => {
      if (link.isOver) return;
      driven.input((now) => replica.heard(now, peer));
      for (const frame of frames.read(bytes)) {
        if (link.isOver) return;
        const refusal = refusalIn(() => driven.input((now) => replica.receive(now, Date.now(), peer, frame)));
        if (refusal) letGo(link, refusal);
      }
      if (frames.isBroken && !link.isOver) drop(link, `${link.name} was dropped: its frame is too long, or empty`);
    });
    stream.on("drain", () => {
      link.hasRoom = true;
      driven.input((now) => replica.heard(now, peer));
      pump(link);
    });
    stream.on("end", () => stream.end());
    stream.on("error", () => {}); // `close` follows
    stream.on("close", () => over(link, null));
  };
  return {
    attach(stream, peerOptions) {
      const peer = replica.connect(monotonicMs(), peerOptions);
      if (!peer) throw new DnetError("TOO_MANY_PEERS", `${peerOptions.peer} cannot be served: there are too many`);
      const [settled, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<string | null>()];
      settled.promise.catch(() => {}); // whoever asks is told
      const link: Link = { peer, name: peerOptions.peer, stream, settled, closed, hasRoom: true, isOver: false };
      links.set(peer, link);
      listen(link, new FrameReader(MAX_FRAME_BYTES));
      driven.input(() => {}); // takes what it has to say
      return {
        settled: settled.promise,
        closed: closed.promise,
        follow: (interests) => driven.input((now) => replica.follow(now, link.peer, interests)),
        close() {
          over(link, null);
          stream.end();
        },
      };
    },
    submit(bytes, body) {
      let verdict: Verdict | undefined;
      driven.input((now) => {
        verdict = replica.submit(now, Date.now(), bytes, body);
      });
      return verdict!;
    },
    bring(from, record, items) {
      let taken: Taken | undefined;
      driven.input((now) => {
        taken = replica.bring(now, Date.now(), from, record, items);
      });
      return taken!;
    },
    changed: () => driven.input((now) => replica.changed(now)),
    close() {
      for (const link of [...links.values()]) {
        over(link, null);
        link.stream.end();
      }
      driven.stop();
    },
  };
}

/** Null when SQLite has done it all. */
function refusalIn(work: () => void): SQLiteError | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof SQLiteError) return error;
    throw error;
  }
}

/** Everyone who can open the socket's path may read and write; that is its user alone. */
export interface UnixListener {
  close(): void;
}

/** Serves whoever connects, with what `options` says of each. Whatever was at that path is replaced. */
export async function listenUnix(path: string, onStream: (stream: Socket) => void): Promise<UnixListener> {
  rmSync(path, { force: true });
  const server = createServer({ allowHalfOpen: true }, onStream);
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
    server.listen(path);
  });
  chmodSync(path, 0o600);
  return { close: () => void server.close() };
}

/** Throws DnetError when nobody is there. */
export async function connectUnix(path: string): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (cause) => {
      const hint = "dnet db serve, which answers there";
      reject(new DnetError("NO_REPLICA", `nobody answers at ${path}`, { failure: "not-running", hint, cause }));
    });
    socket.connect(path);
  });
  return socket;
}

function saidBy({ name }: Link, word: string): string {
  const reason = Object.hasOwn(DROP_REASONS, word)
    ? DROP_REASONS[word as keyof typeof DROP_REASONS]
    : "it does not say why";
  return `${name} hung up on us: ${reason}`;
}
