/** What this implementation writes is what `test/vectors/dnetdb/` has, and what stands there it reads as it is meant. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatIp } from "../../../../src/base/ip.ts";
import { formatPublicKey } from "../../../../src/base/public-key.ts";
import { readDnet } from "../../../../src/overlay/dnetdb/dnet-view.ts";
import { formatId, parseId } from "../../../../src/overlay/dnetdb/ids.ts";
import { formatLock, parseLock } from "../../../../src/overlay/dnetdb/lock.ts";
import { decodeScript, encodeScript, formatScript, parseScript } from "../../../../src/overlay/dnetdb/script.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { decodeTransaction, encodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { makeVectors, VECTORS } from "../../../support/dnetdb-vectors.ts";

const read = (file: string) => JSON.parse(readFileSync(join(VECTORS, file), "utf8"));

test("the vectors are what is written now: a change of the format is a change of them", () => {
  for (const [file, content] of Object.entries(makeVectors())) {
    expect([file, read(file)]).toEqual([file, JSON.parse(JSON.stringify(content))]);
  }
});

test("DN-06 DN-07 every script and transaction of the vectors is read, and written the same", () => {
  const { scripts, transactions, locks } = read("formats.json");
  for (const { text, bytes } of scripts) {
    const script = decodeScript(Uint8Array.fromHex(bytes))!;
    expect([formatScript(script), parseScript(text)]).toEqual([text, script]);
    expect(encodeScript(parseScript(text)!).toHex()).toBe(bytes);
  }
  for (const { bytes, id, script } of transactions) {
    const transaction = decodeTransaction(Uint8Array.fromHex(bytes)) as Transaction;
    expect([formatId(transaction.id), formatScript(transaction.outputs[0]!.script)]).toEqual([id, script]);
    expect(encodeTransaction(transaction).toHex()).toBe(bytes);
  }
  for (const lock of locks) expect(formatLock(parseLock(lock.split(" "))!)).toBe(lock);
});

test("a store that is told the history of the vectors judges each step as they say, and has what is so in the end", () => {
  const { now, steps, statements, networkKey, end } = read("history.json");
  const store = new Store(new Database(":memory:"));
  for (const { bytes, body, note, verdict } of steps) {
    const said = store.accept(now, Uint8Array.fromHex(bytes), body && Uint8Array.fromHex(body));
    expect([note, said.status === "refused" ? said.why : said.status]).toEqual([note, verdict]);
  }
  for (const statement of statements) {
    expect(store.acceptStatement(now, Uint8Array.fromHex(statement)).status).toBe("accepted");
  }
  const key = { epoch: networkKey.epoch, key: Uint8Array.fromHex(networkKey.key) };
  const view = readDnet(store, parseId(end.dnet)!, { networkKey: key, keyPairs: [] })!;
  const { name, height, head, lock, members } = view;
  expect({
    dnet: end.dnet,
    ...{ name, height, head: formatId(head), lock: formatLock(lock) },
    members: members.map((each) => ({
      publicKey: formatPublicKey(each.publicKey),
      name: each.name,
      addresses: each.addresses.map(formatIp),
    })),
  }).toEqual(end);
});
