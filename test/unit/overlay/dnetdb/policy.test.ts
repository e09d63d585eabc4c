import { expect, test } from "bun:test";
import { DEFAULT_POLICY, MAX_POLICY_BYTES, parsePolicy } from "../../../../src/overlay/dnetdb/policy.ts";

test("DN-27 what a policy does not say is as usual: accepted by a person, final by one witness", () => {
  expect(parsePolicy("{}")).toEqual(DEFAULT_POLICY);
  expect(DEFAULT_POLICY).toMatchObject({ needConfirmation: true, witnesses: 1 });
  expect(parsePolicy('{"witnesses":2,"needConfirmation":false}')).toMatchObject({
    witnesses: 2,
    needConfirmation: false,
  });
});

test("what a later version knows is kept, what this one knows is checked", () => {
  expect(parsePolicy('{"later":{"x":[1]},"__proto__":1}')).toMatchObject({ later: { x: [1] } });
  const wrong = [
    ...[
      "",
      "1",
      "null",
      "[]",
      "{",
      '"x"',
      '{"witnesses":-1}',
      '{"witnesses":17}',
      '{"witnesses":1.5}',
      '{"witnesses":"1"}',
    ],
    ...[
      '{"needConfirmation":1}',
      '{"rules":{}}',
      '{"dns":[]}',
      '{"dns":null}',
      `{"x":"${"x".repeat(MAX_POLICY_BYTES)}"}`,
    ],
  ];
  for (const text of wrong) expect(parsePolicy(text)).toBeNull();
});
