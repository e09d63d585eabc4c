/** A port mapping in real time: its machine, the socket that it asks the router from, and its HTTP requests. */
import { monotonicMs } from "../../ffi/libc.ts";
import { type Mapping, PortMapper, type PortMapperOutput } from "../portmap/port-mapper.ts";
import type { DatagramSocket } from "./datagram-socket.ts";
import { type Drive, drive } from "./drive.ts";
import { systemRandom } from "./entropy.ts";
import { askRouter } from "./port-mapping-http.ts";
import { type DefaultRouter, findRouter, hearAnnouncements } from "./port-mapping-router.ts";
import { openUdpSocket } from "./udp-socket.ts";

export interface PortMappingOptions {
  /** Where the UDP socket is bound; 0.0.0.0 for all addresses. */
  readonly host: string;
  readonly port: number;
  /** See `PortMapperOptions`. */
  readonly isPublic: boolean;
  /** There is one, or another than before, or (null) none any more. */
  readonly onChange: (mapping: Mapping | null) => void;
}

export class PortMapping {
  /** Null while there is none. */
  current: Mapping | null = null;
  readonly #options: PortMappingOptions;
  #router: DefaultRouter | null = null;
  #session: Promise<Session | null> = Promise.resolve(null);
  #isReleased = false;

  /** Begins to ask the router, if there is one in front of us. */
  constructor(options: PortMappingOptions) {
    this.#options = options;
    this.#begin();
  }

  /** Something about our network is another: asks the same router again, or the one that is there now. */
  refresh(): void {
    if (this.#isReleased) return;
    const before = this.#router;
    const router = findRouter(this.#options.host);
    if (before && router?.gateway === before.gateway && router.localHost === before.localHost) {
      return void this.#session.then((session) => session?.refresh());
    }
    void this.#session.then((session) => session?.close()); // with a router of a network that we have left
    this.#begin();
    this.#change(null);
  }

  /** Gives the mapping back. Resolves when the router has it, or a second later. */
  async release(): Promise<void> {
    this.#isReleased = true;
    const session = await this.#session;
    await session?.release();
    this.#change(null);
  }

  #begin(): void {
    const { host, ...options } = this.#options;
    const router = findRouter(host);
    const onChange = (mapping: Mapping | null) => {
      if (this.#router === router) this.#change(mapping);
    };
    const opening = router ? Session.open(router, { ...options, onChange }) : Promise.resolve(null);
    this.#router = router;
    this.#session = opening.catch(() => null); // the address has gone again
  }

  #change(mapping: Mapping | null): void {
    if (mapping === this.current) return;
    this.current = mapping;
    this.#options.onChange(mapping);
  }
}

/** With one router, from one address of ours. */
class Session {
  readonly #localHost: string;
  readonly #socket: DatagramSocket;
  readonly #mapper: PortMapper;
  readonly #drive: Drive;
  readonly #onChange: (mapping: Mapping | null) => void;
  readonly #stopHearing: () => void;
  readonly #requests = new Set<Promise<void>>();
  readonly #released = Promise.withResolvers<void>();
  #isClosed = false;

  static async open(router: DefaultRouter, options: Omit<PortMappingOptions, "host">): Promise<Session> {
    return new Session(router, options, await openUdpSocket({ host: router.localHost, port: 0 }));
  }

  private constructor(
    { gateway, localHost }: DefaultRouter,
    { port, isPublic, onChange }: Omit<PortMappingOptions, "host">,
    socket: DatagramSocket,
  ) {
    const internal = { host: localHost, port };
    const mapper = new PortMapper(monotonicMs(), { random: systemRandom, gateway, internal, isPublic });
    this.#localHost = localHost;
    this.#socket = socket;
    this.#mapper = mapper;
    this.#onChange = onChange;
    this.#drive = drive(mapper, (output) => this.#obey(output));
    socket.onDatagram((from, datagram) => this.#drive.input((now) => mapper.receive(now, from, datagram)));
    this.#stopHearing = hearAnnouncements(localHost, (from, datagram) =>
      this.#drive.input((now) => mapper.announced(now, from, datagram)),
    );
  }

  refresh(): void {
    this.#drive.input((now) => this.#mapper.refresh(now));
  }

  async release(): Promise<void> {
    this.#drive.input((now) => this.#mapper.release(now));
    await this.#released.promise;
    await Promise.all(this.#requests);
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drive.stop();
    this.#stopHearing();
    this.#socket.close();
  }

  #obey(output: PortMapperOutput): void {
    if (this.#isClosed) return;
    switch (output.type) {
      case "send":
        return this.#socket.send(output.to, output.datagram);
      case "http":
        return void this.#ask(output);
      case "mapped":
        return this.#onChange(output.mapping);
      case "lost":
        return this.#onChange(null);
      case "released":
        return this.#released.resolve();
    }
  }

  async #ask({ id, request }: Extract<PortMapperOutput, { type: "http" }>): Promise<void> {
    const asking = askRouter(request, this.#localHost).then((response) =>
      this.#drive.input((now) => this.#mapper.responded(now, id, response)),
    );
    this.#requests.add(asking);
    await asking;
    this.#requests.delete(asking);
  }
}
