/**
 * HTTP to a router: one request on a connection of its own, from an address that is given, and an answer that is bounded in time and
 * size. By node:http, as fetch() would go by a proxy of the environment, where no router is.
 */
import { request as openRequest } from "node:http";
import type { HttpResponse } from "../portmap/protocol.ts";
import { ANSWER_MS } from "../portmap/question.ts";
import type { HttpRequest } from "../wire/upnp.ts";

/** A description has some 5 kB, of the longest known 30. Full: it failed. */
const MAX_BODY_BYTES = 65_536;

/** Null when it fails, takes too long or is too long. Nothing that it answers is followed. */
export function askRouter(
  { method, url, headers, body }: HttpRequest,
  localAddress: string,
): Promise<HttpResponse | null> {
  const { promise, resolve } = Promise.withResolvers<HttpResponse | null>();
  const options = { method, agent: false as const, localAddress, headers: { ...headers, Connection: "close" } };
  const outgoing = openRequest(url, options, (incoming) => {
    let text = "";
    let bytes = 0;
    const decoder = new TextDecoder();
    incoming.on("error", () => resolve(null));
    incoming.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) return resolve(null);
      text += decoder.decode(chunk, { stream: true });
    });
    incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body: text }));
  });
  outgoing.on("error", () => resolve(null));
  const timer = setTimeout(() => resolve(null), ANSWER_MS);
  void promise.then(() => {
    clearTimeout(timer);
    outgoing.destroy();
  });
  outgoing.end(body);
  return promise;
}
