import { expect, test } from "bun:test";
import { parseIp4AddressOption, parseSpanOption, splitLists } from "../../../src/cli/option-values.ts";

test("a span is a number with its unit, or of seconds, up to an hour", () => {
  const spans = ["1ms", "500ms", "1", "30s", "2m", "60m", "3600"].map((text) => parseSpanOption("timeout", text));
  expect(spans).toEqual([1, 500, 1_000, 30_000, 120_000, 3_600_000, 3_600_000]);
  for (const text of ["", "0", "0ms", "61m", "3601", "1h", "1.5s", "-1", "s", " 1s", "1 s", "99999999"]) {
    expect(() => parseSpanOption("timeout", text)).toThrow("expected a span of up to an hour");
  }
});

test("an address is IPv4 with a port, and the refusal quotes option and value", () => {
  expect(parseIp4AddressOption("relay", "192.0.2.1:65535")).toEqual({ host: "192.0.2.1", port: 65_535 });
  for (const text of ["192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1", "192.0.2.256:1", "name:1", "[::1]:1", ":1"]) {
    expect(() => parseIp4AddressOption("relay", text)).toThrow(
      `--relay is ${text}; expected an IPv4 address and a port`,
    );
  }
});

test("lists with commas and repeated options make one list", () => {
  expect(splitLists([])).toEqual([]);
  expect(splitLists(["a,b", "c", ","])).toEqual(["a", "b", "c", "", ""]);
});
