import { describe, expect, it } from "vitest";
import { BROWSER_CODE_TTL_S, BROWSER_GRANTS_MAX, BROWSER_SESSION_TTL_S } from "#contract/limits";
import { advance, freshWallet, good, sqlOf, walletAt } from "./fixture.ts";

const scope = { agentId: "*", prefix: undefined, region: undefined };
const mint = (wallet: ReturnType<typeof freshWallet>, code: string) =>
  walletAt(wallet).browser(undefined, { step: "mint", code, scope });
const trade = (wallet: ReturnType<typeof freshWallet>, code: string, session: string) =>
  walletAt(wallet).browser(undefined, { step: "trade", code, session });
const look = (wallet: ReturnType<typeof freshWallet>, session: string) =>
  walletAt(wallet).browser(undefined, { step: "look", session });

describe("a browser code", () => {
  it("opens one session, however many ask at once", async () => {
    const wallet = freshWallet();
    good(await mint(wallet, "code"));
    const traded = await Promise.all(["a", "b", "c", "d"].map((session) => trade(wallet, "code", session)));
    expect(traded.filter((each) => each.ok)).toHaveLength(1);
    expect(traded.filter((each) => !each.ok && each.code === "browser_code_invalid")).toHaveLength(3);
  });

  it("is good for five minutes and no longer", async () => {
    const wallet = freshWallet();
    good(await mint(wallet, "early"));
    await advance(wallet, BROWSER_CODE_TTL_S * 1000 - 30_000);
    good(await trade(wallet, "early", "session"));
    good(await mint(wallet, "late"));
    await advance(wallet, BROWSER_CODE_TTL_S * 1000);
    expect(await trade(wallet, "late", "other")).toMatchObject({ code: "browser_code_invalid" });
  });

  it("is no session, and a session is no code", async () => {
    const wallet = freshWallet();
    good(await mint(wallet, "code"));
    expect(await look(wallet, "code")).toMatchObject({ code: "browser_session_ended" });
    good(await trade(wallet, "code", "session"));
    expect(await trade(wallet, "session", "other")).toMatchObject({ code: "browser_code_invalid" });
  });
});

describe("a browser session", () => {
  it("ends after half an hour, by itself, and leaves no row", async () => {
    const wallet = freshWallet();
    good(await mint(wallet, "code"));
    good(await trade(wallet, "code", "session"));
    await advance(wallet, BROWSER_SESSION_TTL_S * 1000 - 30_000);
    good(await look(wallet, "session"));
    await advance(wallet, 30_000);
    expect(await look(wallet, "session")).toMatchObject({ code: "browser_session_ended" });
    expect(await sqlOf(wallet, "SELECT * FROM browser_grants")).toEqual([]);
  });

  it("keeps the scope its code was minted with", async () => {
    const wallet = freshWallet();
    const narrow = { agentId: "scribe", prefix: "log-", region: "eu-north-1" };
    good(await walletAt(wallet).browser(undefined, { step: "mint", code: "code", scope: narrow }));
    expect(good(await trade(wallet, "code", "session")).scope).toEqual(narrow);
    expect(good(await look(wallet, "session")).scope).toEqual(narrow);
  });

  it("gives way, the oldest first, when too many are open", async () => {
    const wallet = freshWallet();
    for (let n = 0; n <= BROWSER_GRANTS_MAX; n++) {
      good(await mint(wallet, `code ${n}`));
      good(await trade(wallet, `code ${n}`, `session ${n}`));
      await advance(wallet, 1_000);
    }
    expect(await look(wallet, "session 0")).toMatchObject({ code: "browser_session_ended" });
    good(await look(wallet, "session 1"));
    good(await look(wallet, `session ${BROWSER_GRANTS_MAX}`));
  });

  it("of one wallet is nothing to another", async () => {
    const [mine, other] = [freshWallet(), freshWallet()];
    good(await mint(mine, "code"));
    expect(await trade(other, "code", "session")).toMatchObject({ code: "browser_code_invalid" });
    good(await trade(mine, "code", "session"));
    expect(await look(other, "session")).toMatchObject({ code: "browser_session_ended" });
  });
});
