import { expect, test } from "bun:test";
import { MtuSearch } from "../../../../src/transport/udx/mtu-search.ts";

/** Runs a search over a path that takes so much; returns the sizes it tried. */
function search(mtu: MtuSearch, pathBytes: number): number[] {
  const tried: number[] = [];
  mtu.heard();
  for (let packet = 0; packet < 100; packet++) {
    const padding = mtu.paddingFor(mtu.payloadBytes);
    if (padding < 0) break;
    const size = mtu.payloadBytes + padding + 48;
    tried.push(size);
    mtu.probeSent();
    if (size <= pathBytes) mtu.probeArrived();
    else mtu.probeLost();
  }
  return tried;
}

test("it climbs in steps to the limit, as the reference does", () => {
  const mtu = new MtuSearch(1500);
  mtu.restart("192.0.2.1");
  expect(mtu.payloadBytes).toBe(1152);
  expect(mtu.paddingFor(1152)).toBe(-1); // nothing has been heard
  expect(search(mtu, 1500)).toEqual([1200, 1232, 1264, 1296, 1328, 1360, 1392, 1424, 1456, 1488, 1500]);
  expect(mtu).toMatchObject({ mtuBytes: 1500, payloadBytes: 1452 });
});

test("three losses of one size end it at the last good one", () => {
  const mtu = new MtuSearch(1500);
  mtu.restart("192.0.2.1");
  expect(search(mtu, 1300)).toEqual([1200, 1232, 1264, 1296, 1328, 1328, 1328]);
  expect(mtu.mtuBytes).toBe(1296);
  mtu.restart("2001:db8::1");
  expect(mtu).toMatchObject({ mtuBytes: 1200, payloadBytes: 1132 });
});

test("one probe at a time, of nearly full packets alone; a limit of the base searches nothing", () => {
  const mtu = new MtuSearch(1500);
  mtu.restart("192.0.2.1");
  mtu.heard();
  expect(mtu.paddingFor(896)).toBe(-1); // 256 bytes short: more than an offset tells
  expect(mtu.paddingFor(897)).toBe(255);
  mtu.probeSent();
  expect(mtu.paddingFor(1152)).toBe(-1);
  const still = new MtuSearch(1200);
  still.restart("192.0.2.1");
  expect(search(still, 1500)).toEqual([]);
});
