/** Listings: order, pages, prefixes, delimiters. */
import { beforeAll, describe, expect } from "vitest";
import { expectRefusal, expectStatus, makeBucket, send } from "../client.ts";
import { it } from "../judge.ts";
import type { Subject } from "../subject.ts";

/** In the order S3 lists them: by UTF-8 byte, in which U+FFFD comes before U+1F600 (in UTF-16 it is the other way round). */
const KEYS = ["A", "Z", "a", "a b+c&<d>", "a/1", "a/2", "a/b/3", "b/1", "b0", "é", "\ufffd", "\u{1f600}"];

export function listingSuite(subject: () => Subject): void {
  describe("listing", () => {
    let bucket = "";
    const list = async (query: string) => {
      const response = await send(subject(), `/${bucket}?list-type=2${query}`);
      const text = await response.text();
      expect(response.status, text).toBe(200);
      return {
        text,
        keys: [...text.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => plain(key ?? "")),
        prefixes: [...text.matchAll(/<CommonPrefixes><Prefix>(.*?)<\/Prefix>/g)].map(([, prefix]) => prefix),
        next: /<NextContinuationToken>(.*?)</.exec(text)?.[1],
        count: Number(/<KeyCount>(\d+)</.exec(text)?.[1]),
      };
    };
    const plain = (text: string) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
    beforeAll(async () => {
      bucket = await makeBucket(subject());
      const shuffled = [...KEYS].sort((left, right) => right.length - left.length);
      for (const key of shuffled) {
        await expectStatus(
          await send(subject(), `/${bucket}/${encodeURIComponent(key)}`, { method: "PUT", body: key }),
          200,
        );
      }
    });

    it("keys come in UTF-8 byte order", async () => {
      const { keys, text } = await list("");
      expect(keys).toEqual(KEYS);
      expect(text).toContain("<IsTruncated>false</IsTruncated>");
      expect(text).toMatch(/<Size>\d+<\/Size>/);
    });

    it.each([1, 2, 5])("pages of %i give every key once", async (size) => {
      const seen: string[] = [];
      let token: string | undefined;
      do {
        const page = await list(
          `&max-keys=${size}${token === undefined ? "" : `&continuation-token=${encodeURIComponent(token)}`}`,
        );
        expect(page.count).toBeLessThanOrEqual(size);
        seen.push(...page.keys);
        token = page.next;
      } while (token !== undefined);
      expect(seen).toEqual(KEYS);
    });

    it("prefix and start-after narrow it", async () => {
      expect((await list("&prefix=a/")).keys).toEqual(["a/1", "a/2", "a/b/3"]);
      expect((await list("&start-after=b/1")).keys).toEqual(["b0", "é", "\ufffd", "\u{1f600}"]);
      expect((await list("&prefix=nothing")).keys).toEqual([]);
      expect((await list("&max-keys=0")).keys).toEqual([]);
    });

    it("a delimiter rolls keys up, and each rolled prefix counts once across pages", async () => {
      const whole = await list("&delimiter=/");
      expect(whole.keys).toEqual(KEYS.filter((key) => !key.includes("/")));
      expect(whole.prefixes).toEqual(["a/", "b/"]);
      expect((await list("&delimiter=/&prefix=a/")).prefixes).toEqual(["a/b/"]);
      const found: (string | undefined)[] = [];
      let token: string | undefined;
      do {
        const page = await list(
          `&delimiter=/&max-keys=1${token === undefined ? "" : `&continuation-token=${encodeURIComponent(token)}`}`,
        );
        found.push(...page.keys, ...page.prefixes);
        token = page.next;
      } while (token !== undefined);
      expect(found).toEqual(["A", "Z", "a", "a b+c&<d>", "a/", "b/", "b0", "é", "\ufffd", "\u{1f600}"]);
    });

    it("encoding-type=url spells keys for XML", async () => {
      const { keys, text } = await list("&encoding-type=url");
      expect(text).toContain("<EncodingType>url</EncodingType>");
      expect(keys.map((key) => decodeURIComponent(key))).toEqual(KEYS);
      await expectRefusal(await send(subject(), `/${bucket}?list-type=2&encoding-type=x`), 400, "InvalidArgument");
    });

    it("nonsense parameters are refused", async () => {
      await expectRefusal(await send(subject(), `/${bucket}?list-type=2&max-keys=-1`), 400, "InvalidArgument");
      const bad = await send(subject(), `/${bucket}?list-type=2&continuation-token=%25%25`);
      await expectRefusal(bad, 400, "InvalidArgument");
    });

    it("the first version of the listing pages by marker", async () => {
      const first = await (await send(subject(), `/${bucket}?max-keys=6&delimiter=/`)).text();
      expect(first).toContain("<NextMarker>b/</NextMarker>");
      const second = await (await send(subject(), `/${bucket}?delimiter=/&marker=b%2F`)).text();
      expect([...second.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key)).toEqual([
        "b0",
        "é",
        "\ufffd",
        "\u{1f600}",
      ]);
    });

    it("keys too long for the store's own names keep their order", async () => {
      const long = await makeBucket(subject());
      const stem = "k".repeat(940);
      const keys = [
        `${stem}`,
        `${stem}a`,
        `${stem}${"b".repeat(80)}1`,
        `${stem}${"b".repeat(80)}2`,
        `${stem}c${"é".repeat(30)}`,
        `${stem}é`,
      ];
      for (const key of [...keys].reverse()) {
        await expectStatus(
          await send(subject(), `/${long}/${encodeURIComponent(key)}`, { method: "PUT", body: "x" }),
          200,
        );
      }
      const listed = async (query: string) =>
        [...(await (await send(subject(), `/${long}?list-type=2${query}`)).text()).matchAll(/<Key>(.*?)<\/Key>/g)].map(
          ([, key]) => key,
        );
      expect(await listed("")).toEqual(keys);
      expect(await listed(`&start-after=${encodeURIComponent(keys[2] ?? "")}`)).toEqual(keys.slice(3));
      expect(await listed(`&prefix=${encodeURIComponent(`${stem}b`)}`)).toEqual(keys.slice(2, 4));
    });
  });
}
