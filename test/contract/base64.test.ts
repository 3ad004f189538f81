import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base64ToBytes, base64ToJson, bytesToBase64, jsonToBase64 } from "#contract/base64";

describe("base64", () => {
  it("brings bytes back, and agrees with Node's", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = bytesToBase64(bytes);
        return text === Buffer.from(bytes).toString("base64") && Buffer.from(base64ToBytes(text) ?? []).equals(bytes);
      }),
    );
  });

  it("has one spelling: what decodes was encoded like this", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9+/=_-]{0,12}$/), (text) => {
        const bytes = base64ToBytes(text);
        return bytes === undefined || bytesToBase64(bytes) === text;
      }),
    );
    // Both would be the letter A to a lenient decoder.
    expect(base64ToBytes("QQ==")).toEqual(new Uint8Array([65]));
    expect(base64ToBytes("QR==")).toBeUndefined();
    expect(base64ToBytes("QUJ=")).toBeUndefined();
  });

  it("refuses base64url, missing padding, white space and joined values", () => {
    for (const text of [
      "_-8=",
      "QQ",
      "QQ=",
      "QQ===",
      " QQ==",
      "QQ==\n",
      "QQ= =",
      "QQ==, QQ==",
      "QQ==,QQ==",
      "Q",
      "====",
    ])
      expect(base64ToBytes(text), text).toBeUndefined();
  });
});

describe("JSON in base64", () => {
  it("comes back as it was, whatever script it is in", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(base64ToJson(jsonToBase64(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("must be UTF-8 and JSON", () => {
    expect(base64ToJson(bytesToBase64(new Uint8Array([0x22, 0xff, 0x22])))).toBeUndefined();
    expect(base64ToJson(bytesToBase64(new TextEncoder().encode("{")))).toBeUndefined();
    expect(base64ToJson("")).toBeUndefined();
  });
});
