import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labHelp, labPicture } from "../../../src/cli/lab-picture.ts";
import { parseDescription } from "../../../src/io/lab/description.ts";
import type { LabView } from "../../../src/io/lab/lab.ts";
import { PRESETS } from "../../../src/io/lab/presets.ts";
import { Router } from "../../../src/io/lab/router.ts";
import { SeededRandom } from "../../support/random.ts";
import { dnet } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-lab-cli-"));
const runBefore = process.env["DNET_RUN_DIR"];
beforeAll(() => {
  process.env["DNET_RUN_DIR"] = join(folder, "run"); // where no laboratory runs
});
afterAll(() => {
  if (runBefore === undefined) delete process.env["DNET_RUN_DIR"];
  else process.env["DNET_RUN_DIR"] = runBefore;
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

function view(change: (router: Router) => void = () => {}): LabView {
  const description = parseDescription({
    network: { delayMs: 20, loss: 0.01 },
    nats: { home: { kind: "random", behind: "carrier" }, carrier: { kind: "full-cone" } },
    hosts: { alice: { behind: "home", jitterMs: 5 }, server: { rateMbit: 8 } },
  });
  const router = new Router(description, new SeededRandom(1));
  change(router);
  const stations = router.stations(0).map((station) => ({
    ...station,
    namespace: station.nat ? null : `dnet-lab-42-${station.name}`,
  }));
  return { schema: "dnet.lab/1", pid: 42, hops: 10, stations, counters: router.counters };
}

test("a laboratory is drawn from the internet inwards", () => {
  const text = labPicture(
    view((router) => {
      router.disturb("server", { event: "cut", from: "alice" });
      router.receive(0, "alice", new Uint8Array(3));
    }),
  );
  expect(text).toBe(
    `
internet: 10 routers between any two public addresses
├─ carrier      192.31.196.2  full-cone NAT of 100.64.1.0/24  20 ms, 1 % lost, cut from server
│  └─ home      100.64.1.2    random NAT of 192.168.1.0/24    0.5 ms
│     └─ alice  192.168.1.2   host                            0.5 to 5.5 ms
└─ server       192.175.48.2  open host                       20 ms, 1 % lost, 8 Mbit/s, cut from carrier
packets: 1 sent, 0 delivered, 1 malformed
`.trimStart(),
  );
});

test("after it stands what can be done with it", () => {
  expect(labHelp(view())).toBe(
    `
run inside   dnet lab exec alice -- ping 192.175.48.2
or           ip netns exec dnet-lab-42-alice COMMAND
disturb      dnet lab event carrier reboot    (dnet lab event --help has all)
look again   dnet lab show
end          Ctrl-C: it removes everything, and ends what runs inside
`.trimStart(),
  );
});

test("presets are listed, and each is printed as a file to start from", async () => {
  const { stdout } = await dnet(["lab", "presets"]);
  expect(stdout).toMatch(/^open-open +both have public addresses\n/);
  expect(stdout.split("\n")).toHaveLength(PRESETS.length + 1);
  for (const { name, description } of PRESETS) {
    expect<unknown>((await dnet(["lab", "presets", name])).json()).toEqual(description);
  }
  const listed = (await dnet(["lab", "presets", "--json"])).json();
  expect(listed).toEqual({ schema: "dnet.lab-presets/1", presets: PRESETS });
  const { exitCode, stderr } = await dnet(["lab", "presets", "cone-con"]);
  expect(stderr).toStartWith('error UNKNOWN_PRESET: "cone-con" is not a preset; expected one of open-open, ');
  expect(stderr).toEndWith("try dnet lab presets cone-cone\n");
  expect(exitCode).toBe(2);
});

test("the example in the help of lab up is a good description", async () => {
  const { stdout } = await dnet(["lab", "up", "--help"]);
  const example = stdout.slice(stdout.indexOf("{"), stdout.lastIndexOf("}") + 1);
  expect(Object.keys(parseDescription(JSON.parse(example)).hosts)).toEqual(["alice", "server"]);
});

test("a laboratory that cannot be read says what is wrong with it, and nothing is made", async () => {
  const up = async (lab: string) => {
    const { exitCode, stderr, stdout } = await dnet(["lab", "up", lab]);
    expect([exitCode, stdout]).toEqual([9, ""]);
    return stderr;
  };
  expect(await up("cone-con")).toMatch(
    /^error LAB_UNREADABLE: cone-con is neither a preset .*\ntry dnet lab up cone-cone\n$/,
  );
  expect(await up(folder)).toStartWith(`error LAB_UNREADABLE: ${folder} cannot be read: `);
  expect(await up(write("a.json", "{"))).toStartWith(`error LAB_UNREADABLE: ${folder}/a.json is not JSON: `);
  const wrong = write("b.json", '{ "hosts": { "alice": { "delayMs": -1 } } }');
  expect(await up(wrong)).toStartWith("error LAB_DESCRIPTION: hosts.alice.delayMs is -1; expected milliseconds from 0");
  const taken = write("c.json", '{ "hosts": { "a": { "address": "1.2.3.4" }, "b": { "address": "1.2.3.4" } } }');
  expect(await up(taken)).toStartWith("error LAB_ADDRESS: the address 1.2.3.4 is taken");
});

test("commands for a running laboratory say when there is none", async () => {
  for (const words of [["show"], ["exec", "alice", "--", "ls"], ["event", "home", "reboot"]]) {
    const { exitCode, stderr } = await dnet(["lab", ...words]);
    expect(stderr).toBe(
      "error LAB_NOT_RUNNING: no laboratory is running\ntry sudo dnet lab up cone-cone, in another terminal\n",
    );
    expect(exitCode).toBe(3);
  }
  const { stderr } = await dnet(["lab", "show", "--lab", "1"]);
  expect(stderr).toStartWith("error LAB_NOT_RUNNING: no laboratory answers as process 1\n");
  expect((await dnet(["lab", "event", "home", "rebot"])).stderr).toEndWith("try reboot\n");
});
