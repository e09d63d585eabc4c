/**
 * A dnet's whole life by the executable itself: two machines, each a state directory of its own and processes of its own, that meet by the
 * socket of `dnet db serve`.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DNET, ensureBuilt } from "../support/tunnel-process.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-records-"));

class Machine {
  readonly #env;

  constructor(name: string) {
    this.#env = { ...process.env, DNET_STATE_DIR: join(folder, name) };
  }

  run(line: string, stdin: string | Buffer = "") {
    const { exitCode, stdout, stderr } = Bun.spawnSync([DNET, ...line.split(" ")], {
      ...{ env: this.#env, stdin: Buffer.from(stdin), stdout: "pipe", stderr: "pipe" },
    });
    return { exitCode, bytes: stdout, stdout: stdout.toString().trimEnd(), stderr: stderr.toString() };
  }

  ok(line: string, stdin = ""): string {
    const { exitCode, stdout, stderr } = this.run(line, stdin);
    if (exitCode !== 0) throw new Error(`dnet ${line} ended with ${exitCode}: ${stderr}`);
    return stdout;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  json(line: string): any {
    return JSON.parse(this.ok(`${line} --json`));
  }

  serve() {
    return Bun.spawn([DNET, "db", "serve", "--all"], { env: this.#env, stdout: "pipe", stderr: "ignore" });
  }

  /** Each as "name address...". */
  members(dnet: string, date?: string): string[] {
    const { members } = this.json(date ? `db at ${date} ${dnet}` : `member list ${dnet}`);
    return members.map((each: { name: string; addresses: string[] }) => [each.name, ...each.addresses].join(" "));
  }

  /** Of the newest step. */
  now(dnet: string): string {
    return this.json(`db log ${dnet}`).steps.at(-1).time;
  }
}

beforeAll(() => ensureBuilt(), 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("DN-20 DN-21 DN-26 DN-48 by the executable a dnet is made, joined, left, rekeyed, handed over, verified and read as it was", async () => {
  const [owner, guest] = [new Machine("owner"), new Machine("guest")];
  const dnet = owner.ok("net create home --range 10.7.0.0/24");
  const keyOf = (n: number) => new Machine(`other-${n}`).json("wallet show").node.publicKey;
  expect(owner.ok("member add home self --name laptop")).toBe("10.7.0.1");
  expect(owner.ok(`member add home ${keyOf(1)} --name nas --ip 10.7.0.77`)).toBe("10.7.0.77");
  const [prefix] = owner.json("net show home").range6.split("::");
  expect(owner.ok(`member add home ${keyOf(2)} --name printer --ip ${prefix}::77`)).toBe(`${prefix}::77`);
  expect(owner.run(`member add home ${keyOf(3)} --name late --ip 10.7.0.77`).stderr).toStartWith(
    "error ADDRESS_TAKEN: ",
  );
  const invitation = owner.ok("invite home --name phone");
  const full = owner.now("home");

  const serving = owner.serve();
  try {
    const socket = await firstLine(serving.stdout);
    expect(guest.run("join", invitation).stderr).toStartWith("error RECORD_ABSENT: ");
    expect(guest.run(`db sync ${socket}`).stderr).toContain("home: joins as phone at 10.7.0.2\n");
    await until("the owner has heard it", async () => owner.members("home").length === 4);
    const joined = owner.now("home");
    expect(guest.members("home")).toEqual(owner.members("home"));

    owner.ok("member remove home nas");
    owner.ok("net rekey home");
    guest.ok(`db sync ${socket}`);
    expect(guest.members("home").map((each) => each.split(" ")[0])).toEqual(["laptop", "printer", "phone"]);
    const { epoch } = guest.json("net show home");
    expect(epoch).toBe(owner.json("net show home").epoch);

    const heir = guest.json("wallet show").owner.c2pkh;
    owner.ok(`net transfer home ${heir}`);
    guest.ok(`db sync ${socket}`);
    expect(owner.run("net rekey home").stderr).toStartWith("error NOT_OWNER: ");
    guest.ok("net policy home -", '{"needConfirmation":false}');
    guest.ok(`db sync ${socket}`);
    await until(
      "the first owner has heard it",
      async () => owner.json("db log home").steps.at(-1).op === "OP_DNET_POLICY",
    );
    for (const machine of [owner, guest]) {
      expect(machine.run("db verify").exitCode).toBe(0);
      expect(machine.members(dnet, full).map((each) => each.split(" ")[0])).toEqual(["laptop", "nas", "printer"]);
      expect(machine.members(dnet, joined)).toContainEqual(expect.stringMatching(/^nas 10\.7\.0\.77 fd/));
    }
    expect(guest.json("db log home").steps).toEqual(owner.json("db log home").steps);
  } finally {
    serving.kill();
    await serving.exited;
  }
}, 60_000);

test("DN-45 by the executable an owner signs on a machine that has no record, and another submits it", () => {
  const [desk, vault] = [new Machine("desk"), new Machine("vault")];
  const owner = vault.json("wallet show").owner.c2pkh;
  const draft = join(folder, "draft.json");
  desk.ok(`net create attic --owners ${owner} --draft ${draft}`);
  vault.ok(`db sign ${draft}`);
  desk.ok(`db submit ${draft}`);
  expect(desk.json("db log attic").steps.at(-1).op).toBe("OP_DNET_CREATE");
  writeFileSync(draft, "{}");
  expect(desk.run(`db submit ${draft}`).stderr).toStartWith("error STEPS_MALFORMED: ");
});

test("by the executable records go through a pipe", () => {
  const [owner, other] = [new Machine("piper"), new Machine("piped")];
  const id = owner.ok("net create loft");
  const { bytes } = owner.run("db export -");
  expect(other.run("db import -", bytes).stderr).toBe("2 steps accepted, 0 known before\n");
  expect(other.json(`net show ${id}`).dnet).toBe(id);
  expect(other.run("db import -", "hello").stderr).toStartWith("error BAD_RECORD_FILE: standard input is no file of ");
  expect(owner.run("db export - --json").stdout).toContain("OPTION_CONFLICT");
});

/** The socket that it serves by. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const { value } = await stream.getReader().read();
  return new TextDecoder().decode(value).trim();
}
