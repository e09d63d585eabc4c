import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseDescription } from "../../../../src/io/lab/description.ts";
import { parseDisturbance } from "../../../../src/io/lab/disturbance.ts";
import { PRESETS } from "../../../../src/io/lab/presets.ts";

const WHOLE = {
  network: { delayMs: 20, jitterMs: 1, loss: 0.01, rateMbit: 100, hops: 8 },
  nats: {
    carrier: {
      kind: "sequential",
      ports: { sequential: -2 },
      hairpins: true,
      expiryMs: 30_000,
      address: "192.31.196.9",
    },
    home: { kind: "linux", behind: "carrier", inside: "10.0.0.0/16", mapping: "address-and-port-dependent" },
  },
  hosts: { alice: { behind: "home", loss: 0.5, rateMbit: null }, server: {} },
};

test("a description with every part is taken as it is, and so is every preset", () => {
  expect(parseDescription(WHOLE) as unknown).toEqual(WHOLE);
  for (const { description } of PRESETS) expect(parseDescription(description)).toEqual(description);
});

test("the example in the README is a good description", () => {
  const readme = readFileSync(`${import.meta.dir}/../../../../src/io/lab/README.md`, "utf8");
  const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(readme)![1]!);
  expect(parseDescription(example) as unknown).toEqual(example);
});

test("what is wrong is said with its key, its value, and what was expected", () => {
  const wrong = (change: object) => {
    try {
      parseDescription({ ...WHOLE, ...change });
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };
  const host = (alice: unknown) => wrong({ hosts: { alice } });
  const nat = (home: unknown) => wrong({ nats: { home }, hosts: { alice: {} } });
  expect(wrong({ routers: {} })).toBe("routers is not a key of a laboratory; expected network, nats, hosts");
  expect(wrong({ hosts: {} })).toBe("hosts is {}; expected at least one host");
  expect(wrong({ hosts: { Alice: {} } })).toStartWith('hosts is "Alice"; expected a name');
  expect(wrong({ hosts: { home: {} } })).toBe('hosts.home is "home"; expected a name that no NAT has');
  expect(wrong({ network: { hops: 1.5 } })).toBe("network.hops is 1.5; expected a count from 0 to 64");
  expect(host(null)).toBe("hosts.alice is null; expected a JSON object");
  expect(host({ delay: 3 })).toStartWith("hosts.alice.delay is not a key of a laboratory; expected behind, address, ");
  expect(host({ delayMs: "fast" })).toBe('hosts.alice.delayMs is "fast"; expected milliseconds from 0 to 60000');
  expect(host({ loss: 2 })).toBe("hosts.alice.loss is 2; expected a share from 0 to 1, such as 0.02");
  expect(host({ behind: "hom" })).toBe('hosts.alice.behind is "hom"; expected the name of a NAT: carrier, home');
  expect(nat({})).toStartWith("nats.home.kind is missing; expected full-cone, ");
  expect(nat({ kind: "cone" })).toStartWith('nats.home.kind is "cone"; expected full-cone, ');
  expect(nat({ kind: "random", behind: "home" })).toBe(
    'nats.home.behind is "home"; expected a NAT that does not stand behind this one',
  );
  expect(nat({ kind: "random", ports: { sequential: 0 } })).toStartWith(
    'nats.home.ports is {"sequential":0}; expected ',
  );
  expect(nat({ kind: "full-cone", ports: "overloading" })).toStartWith("nats.home.mapping is ");
  expect(nat({ kind: "random", inside: "10.0.0.0/30" })).toStartWith('nats.home.inside is "10.0.0.0/30"; expected ');
});

test("nothing that JSON can say makes it fail otherwise", () => {
  const values = [
    null,
    0,
    "",
    [],
    {},
    true,
    "__proto__",
    { __proto__: null },
    [{}],
    { hosts: [] },
    { hosts: { a: 1 } },
  ];
  for (const value of values) {
    for (const wrapped of [
      value,
      { hosts: value },
      { hosts: { a: value } },
      { hosts: { a: {} }, nats: { b: value } },
    ]) {
      expect(() => {
        try {
          parseDescription(wrapped);
        } catch (error) {
          if ((error as { code?: string }).code !== "LAB_DESCRIPTION") throw error;
        }
      }).not.toThrow();
    }
  }
});

test("a disturbance is read from words, and what they lack is said", () => {
  expect(parseDisturbance("reboot", [])).toEqual({ event: "reboot" });
  expect(parseDisturbance("renumber", ["192.0.2.1"])).toEqual({ event: "renumber", address: "192.0.2.1" });
  expect(parseDisturbance("move", ["home"])).toEqual({ event: "move", to: "home", address: undefined });
  expect(parseDisturbance("cut", ["bob"])).toEqual({ event: "cut", from: "bob" });
  expect(parseDisturbance("line", ["loss=0.1", "rateMbit=null"])).toEqual({
    event: "line",
    conditions: { loss: 0.1, rateMbit: null },
  });
  const wrong = (event: string, ...words: string[]) => expect(() => parseDisturbance(event, words));
  wrong("explode").toThrow("explode is not an event; expected reboot, renumber, move, cut, heal, line");
  wrong("toString").toThrow("toString is not an event");
  wrong("reboot", "now").toThrow("of reboot, a word is now; expected nothing more");
  wrong("move").toThrow("of move, a word is missing; expected the name of a NAT, or internet");
  wrong("renumber", "soon").toThrow("of renumber, a word is soon; expected an IPv4 address");
  wrong("line", "delay=3").toThrow("of line, a word is delay=3; expected delayMs, jitterMs, loss, rateMbit, each");
  wrong("line", "loss=").toThrow("of line, a word is loss=; expected a share from 0 to 1");
});
