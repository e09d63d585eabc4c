import { afterEach, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { askRouter } from "../../../src/io/port-mapping-http.ts";

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => void server.close()));

/** A router that does so with each connection, and its URL. */
async function router(talk: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    talk(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/root.xml`;
}

const get = (url: string) => askRouter({ method: "GET", url, headers: {}, body: "" }, "127.0.0.1");

test("a request leaves from the address that it is told to, with its headers as they are, and its answer comes whole", async () => {
  let asked = "";
  let from = "";
  const url = await router((socket) => {
    from = socket.remoteAddress ?? "";
    socket.on("data", (chunk) => {
      asked += chunk;
      if (asked.endsWith("<body/>")) socket.end("HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nfault");
    });
  });
  const request = { method: "POST" as const, url, headers: { SOAPAction: '"a#b"' }, body: "<body/>" };
  expect(await askRouter(request, "127.0.0.9")).toEqual({ status: 500, body: "fault" });
  expect(from).toBe("127.0.0.9");
  expect(asked).toStartWith("POST /root.xml HTTP/1.1\r\n");
  expect(asked).toContain('\r\nSOAPAction: "a#b"\r\n');
  expect(asked.toLowerCase()).toContain("\r\ncontent-length: 7\r\n");
});

test("what is sent in chunks is put together", async () => {
  const url = await router((socket) =>
    socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n4\r\n</a>\r\n0\r\n\r\n"),
  );
  expect(await get(url)).toEqual({ status: 200, body: "<a></a>" });
});

test("no proxy of the environment is asked", async () => {
  let isAsked = false;
  const proxy = await router((socket) => {
    isAsked = true;
    socket.end();
  });
  const url = await router((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  process.env["http_proxy"] = proxy;
  expect(await get(url)).toEqual({ status: 200, body: "ok" });
  delete process.env["http_proxy"];
  expect(isAsked).toBe(false);
});

test("a router that sends too much, or goes on and on, or says nothing, costs a second at most", async () => {
  const head = "HTTP/1.1 200 OK\r\n\r\n";
  const flood = (socket: Socket): void => {
    while (socket.writable && socket.write("x".repeat(16_384)));
    socket.once("drain", () => flood(socket));
  };
  const drip = (socket: Socket, text: string) => {
    const timer = setInterval(() => void socket.write(text), 20);
    socket.once("close", () => clearInterval(timer));
  };
  const talks: ((socket: Socket) => void)[] = [
    (socket) => {
      socket.write(head);
      flood(socket);
    },
    (socket) => {
      socket.write(head);
      drip(socket, "<a>");
    },
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      drip(socket, "X: y\r\n");
    },
    () => {},
    (socket) => void socket.end("nonsense\r\n\r\n"),
    (socket) => void socket.destroy(),
  ];
  const startedAt = performance.now();
  const answers = await Promise.all(talks.map(async (talk) => get(await router(talk))));
  expect(answers).toEqual(answers.map(() => null));
  expect(performance.now() - startedAt).toBeLessThan(1_500);
});

test("a redirect is an answer like any other", async () => {
  let asked = 0;
  const url = await router((socket) => {
    asked++;
    socket.end("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
  });
  expect(await get(url)).toEqual({ status: 302, body: "" });
  expect(asked).toBe(1);
});
