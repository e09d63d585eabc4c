import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetList, parseDnets } from "../../../src/io/dnet-list.ts";
import { formatInvitation } from "../../../src/overlay/dnetdb/invitation.ts";
import { SeededRandom } from "../../support/random.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-list-"));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;
const newPath = () => join(folder, `dnets-${++made}.json`);

const random = new SeededRandom(1);
const [home, work] = [random.bytes(32), random.bytes(32)];
const networkKey = { epoch: 3, key: random.bytes(32) };
const invitation = formatInvitation({ dnet: work, transaction: home, seed: home, networkKey: null, clouds: [] });

test("what is set is there the next time, and what a change does not name stays", () => {
  const path = newPath();
  const list = new DnetList(path);
  expect(list.read()).toEqual([]);
  list.set(home, { name: "home", networkKey });
  list.set(work, { invitation, askedName: "phone" });
  list.set(home, { isAccepted: true });
  const wanted = [
    { id: home, name: "home", networkKey, draftKeys: [], isAccepted: true, invitation: null, askedName: null },
    { id: work, name: null, networkKey: null, draftKeys: [], isAccepted: false, invitation, askedName: "phone" },
  ];
  expect(new DnetList(path).read()).toEqual(wanted);
  expect([list.find(work), list.find(random.bytes(32))]).toEqual([wanted[1]!, null]);
  list.remove(home);
  expect(list.read()).toEqual(wanted.slice(1));
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("of drafts the last eight keys are kept", () => {
  const list = new DnetList(newPath());
  for (let epoch = 0; epoch < 10; epoch++) list.addDraftKey(home, { ...networkKey, epoch });
  expect(list.find(home)!.draftKeys.map(({ epoch }) => epoch)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
});

test("nothing is left over beside the file, and a lock whose process is no more is taken away", () => {
  const path = newPath();
  const list = new DnetList(path);
  writeFileSync(`${path}.lock`, "4194304\n", { mode: 0o600 }); // beyond Linux's largest process id (proc(5), pid_max)
  list.set(home, { name: "home" });
  expect(existsSync(`${path}.lock`)).toBe(false);
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("a list that others can read, or that is damaged, is refused and stays as it is", () => {
  const path = newPath();
  const list = new DnetList(path);
  list.set(home, { networkKey });
  chmodSync(path, 0o644);
  expect(() => list.read()).toThrow(`${path} is open to others (mode 644)`);
  chmodSync(path, 0o600);
  writeFileSync(path, "{}");
  expect(() => list.set(work, {})).toThrow(`${path} is damaged`);
});

test("anything but a list is none", () => {
  const row = {
    ...{ id: "1".repeat(32), name: null, networkKey: null, draftKeys: [], isAccepted: false },
    ...{ invitation: null, askedName: null },
  };
  const text = (changes: object) => JSON.stringify({ schema: "dnet.dnets/1", dnets: [{ ...row, ...changes }] });
  expect(parseDnets(text({}))).toHaveLength(1);
  const wrong = [
    { id: "1" },
    { id: 7 },
    { name: "a b" },
    { name: 1 },
    { networkKey: {} },
    { networkKey: { epoch: 0, key: "00" } },
    { networkKey: { epoch: -1, key: "00".repeat(32) } },
    { networkKey: undefined },
    { draftKeys: {} },
    { draftKeys: [{}] },
    { draftKeys: new Array(9).fill({ epoch: 0, key: "00".repeat(32) }) },
    { isAccepted: 1 },
    { invitation: "dnet1:y" },
    { askedName: "a b" },
    { askedName: undefined },
  ];
  for (const changes of wrong) expect(parseDnets(text(changes))).toBeNull();
  for (const other of ["", "[]", "null", "{}", '{"schema":"dnet.dnets/1","dnets":[null]}'])
    expect(parseDnets(other)).toBeNull();
});
