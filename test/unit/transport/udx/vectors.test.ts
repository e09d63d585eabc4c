/** The reference's own conversations, played against our endpoint. */
import { expect, test } from "bun:test";
import { type Fields, Replay, type ReplayOptions } from "../../../support/udx-replay.ts";
import { type CapturedPacket, scenario, scenarios } from "../../../support/udx-vectors.ts";

const OTHER: ReplayOptions["firewall"] = () => false;
const sum = (packets: readonly CapturedPacket[]) =>
  packets.reduce((total, { decoded }) => total + Math.max(0, decoded.payloadLength), 0);

/** What the application did where the packets alone do not tell. */
const FAR_AHEAD = 65_536;
const OPTIONS: { readonly [name: string]: ReplayOptions } = {
  "s-receive-basics": { instead: withoutFarAhead },
  "s-firewall": {
    firewall: (replay) => {
      const isFirst = !replay.events.includes("firewall");
      replay.events.push("firewall");
      return isFirst;
    },
    before: { 4: (replay) => replay.connect() },
  },
  "s-firewall-connect": {
    firewall: (replay) => {
      replay.connect();
      return false;
    },
  },
  "s-firewall-change-remote": {
    firewall: (replay, now, socket, to) => {
      replay.stream.changeRemote(now, { socket, to, remoteId: 3003 });
      return false;
    },
  },
  "s-deferred-ack": { firewall: OTHER, before: { 2: (replay) => replay.connect() } },
  "s-zero-window": {
    before: {
      2: (replay) => replay.write(sum(byNewSeq("s-zero-window").slice(1, -1))),
      49: (replay) => replay.write(10),
    },
    looseFrom: 34, // a search for the MTU takes effect one packet later there, and its integers make the tail probe sooner
  },
  "s-window-update-order": { before: { 7: (replay) => replay.write(4) } },
};

/** Where we answer, or stay silent, on purpose. */
const DIFFERS: { readonly [name: string]: { readonly more?: readonly object[]; readonly events?: RegExp } } = {
  // A stream that ended in good order still answers the END of a peer that missed the last acknowledgement (§13.1, SHOULD).
  "s-end-variants": { more: [{ type: 0, seq: 1, ack: 1 }], events: /^raw-datagram 20 ff0102/ },
};

/** A packet 65,536 numbers ahead is as good as lost: neither kept nor told of (§5.1, SHOULD). */
function withoutFarAhead(fields: Fields): Fields | null {
  const { sacks = [], ...rest } = fields;
  const near = sacks.filter(([start]) => start - fields.ack < FAR_AHEAD);
  if (near.length === sacks.length) return fields;
  if (!answeredFarAhead) {
    answeredFarAhead = true;
    return null;
  }
  return near.length > 0 ? { ...rest, sacks: near } : { ...rest, type: 0 };
}
let answeredFarAhead = false;

function byNewSeq(name: string): CapturedPacket[] {
  const seen = new Set<number>();
  return scenario(name).packets.filter(({ dir, decoded }) => {
    const isNew = dir === "udx>peer" && (decoded.type & 1) === 1 && !seen.has(decoded.seq);
    if (isNew) seen.add(decoded.seq);
    return isNew;
  });
}

for (const captured of scenarios.filter(({ kind }) => kind === "scripted")) {
  test(`${captured.name}: our endpoint answers as the reference did`, () => {
    const replay = new Replay(captured, OPTIONS[captured.name]);
    replay.run();
    const { more = [], events } = DIFFERS[captured.name] ?? {};
    expect(replay.unexpected).toMatchObject([...more]);
    const isTheirs = (line: string) => !/^(#|firewall)/.test(line) && !events?.test(line);
    const ours = replay.events.filter((line) => line !== "firewall");
    expect(ours).toEqual(captured.events.filter(isTheirs));
  });
}
