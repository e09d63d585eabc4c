/**
 * Why a connection is not direct, or is not at all: a fixed vocabulary, each with what to do about it. The codes that HyperDHT has are
 * its own (§20).
 */
export const REASONS = {
  PEER_NOT_FOUND: "no node knows this key: check it, and that the other side is up and listening",
  PEER_CONNECTION_FAILED: "its key is known but it did not answer: it may have gone, or refuse this key",
  SERVER_INCOMPATIBLE: "the other side speaks another version: update the older of the two",
  SERVER_ERROR: "the other side could not go on: try again, and look at its log",
  CANNOT_HOLEPUNCH: "the other side neither has a public address nor punches: give both a relay",
  HOLEPUNCH_ABORTED: "no probe of either side got through: check that UDP may get in and out, or give both a relay",
  HOLEPUNCH_INVALID:
    "what came in the other side's name was not its own: a node on the way is broken, or lies; try again",
  REMOTE_ABORTED: "the other side gave up: try again, or give both a relay",
  REMOTE_NOT_HOLEPUNCHABLE: "the other side has not shown where it is: try again, or give both a relay",
  TRY_LATER:
    "this side or the other has enough punches at random NATs under way: try again in half a minute, or give both a relay",
  RELAY_ABORTED:
    "the relay did not join both sides: check that it is up, that it admits both keys, and that the other side names it, too",
  HOLEPUNCH_PROBE_TIMEOUT: "a side could not learn what its NAT does: check that UDP gets out, or give both a relay",
  HOLEPUNCH_DOUBLE_RANDOMIZED_NATS:
    "both NATs give every destination another port: a relay, or a port mapping on one side",
  SUSPENDED: "this node was suspended meanwhile: resume it, and connect again",
  REMOTE_NOT_HOLEPUNCHING: "the other side does not punch now: try again in half a minute, or give both a relay",
} as const;

export type Reason = keyof typeof REASONS;
