/** The browser view as a person meets it: real Chromium, real page, real S3, real chain. Skipped, loudly, where there is no Chromium. */
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Live, startLive } from "../live/stack.ts";
import { findChromium, launch, NO_CHROMIUM } from "./chromium.ts";
import { makeScene, NOTE, PAGE_OF_A_STRANGER, type Scene } from "./scene.ts";
import { bytesAt, replaceAt } from "./spoil.ts";
import { flipped, objectNumber, withWallet } from "./stand-ins.ts";

const executable = findChromium();
if (executable === undefined) console.warn(`\n*** ${NO_CHROMIUM} ***\n`);

const AXE = await readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

describe.skipIf(executable === undefined)("the browser view", () => {
  let live: Live;
  let browser: Browser;
  let scene: Scene;
  const contexts: BrowserContext[] = [];

  beforeAll(async () => {
    live = await startLive({ wallets: 1 });
    [browser, scene] = await Promise.all([launch(executable ?? ""), makeScene(live)]);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.end();
    await live?.stop();
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
  });

  /** A page whose every request and every complaint is written down. */
  async function visit(options: Parameters<Browser["newContext"]>[0] = {}, before?: (page: Page) => Promise<void>) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    contexts.push(context);
    const page = await context.newPage();
    const requests: { url: string; body: string; headers: string }[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => {
      requests.push({ url: request.url(), body: request.postData() ?? "", headers: JSON.stringify(request.headers()) });
    });
    page.on("console", (message) => {
      if (/Content Security Policy|Trusted ?Type/i.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.addInitScript(() => {
      // The picker of a headless browser waits for nobody; most tests save as browsers without one do.
      Reflect.deleteProperty(window, "showSaveFilePicker");
      addEventListener("securitypolicyviolation", (event) =>
        console.error(`Content Security Policy ${event.blockedURI}`),
      );
    });
    await before?.(page);
    return { page, context, requests, complaints };
  }

  async function enter(options?: Parameters<Browser["newContext"]>[0], before?: (page: Page) => Promise<void>) {
    const visited = await visit(options, before);
    await visited.page.goto((await scene.link()).app);
    await visited.page.getByRole("heading", { name: "Your storage" }).waitFor({ state: "attached" });
    return visited;
  }

  const giveKey = (page: Page, file = scene.keyFile) => page.locator("input[type=file]").first().setInputFiles(file);
  const openRow = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
  const open = (page: Page) => page.getByRole("button", { name: "Open", exact: true }).click();
  const fault = (page: Page) => page.locator("dialog .fault[role=alert]").first();

  test("trades its code, hides it, lists what is stored with its terms, and looks into a sealed file", async () => {
    const { page, requests, complaints, context } = await enter();
    expect(page.url()).toBe(`${live.edge}/app`);
    const row = page.getByRole("row", { name: /field-notes-w47\.md/ });
    await expect.poll(() => row.innerText()).toMatch(/KB[\s\S]*in (?:29|30) days[\s\S]*\$0\.01/);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: "Strict", domain: "127.0.0.1" });

    await giveKey(page);
    await openRow(page, "field-notes-w47.md");
    await open(page);
    await expect.poll(() => page.locator("pre.text").textContent()).toBe(NOTE);
    // Looked at and saved is one download.
    const saving = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save file" }).click();
    expect(await readFile(await (await saving).path(), "utf8")).toBe(NOTE);
    expect(requests.filter(({ url }) => url.endsWith("/app/download"))).toHaveLength(1);

    const key = await readFile(scene.keyFile);
    const secrets = [key.toString("base64"), key.toString("hex"), key.toString("latin1")];
    for (const { url, body, headers } of requests) {
      expect([live.edge, live.stack.urls.s3, `blob:${live.edge}`].some((origin) => url.startsWith(origin))).toBe(true);
      for (const secret of secrets) expect(url + body + headers).not.toContain(secret);
      expect(url).not.toContain("code=");
    }
    expect(complaints).toEqual([]);
  });

  test("shows what is in a folder, pictures as pictures, and never runs a stored page", async () => {
    const { page, complaints } = await enter();
    await giveKey(page);
    await openRow(page, "north-ridge");
    await open(page);
    const file = (name: string) => page.locator(".file-row", { hasText: name });
    await file("ridge.png").getByRole("button", { name: "View" }).click();
    await expect.poll(() => page.locator("img.image").evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(480);
    await file("page.html").getByRole("button", { name: "View" }).click();
    await expect.poll(() => page.locator("pre.text").textContent()).toBe(PAGE_OF_A_STRANGER);
    expect(await page.evaluate(() => "ran" in window)).toBe(false);
    expect(complaints).toEqual([]);
  });

  test("opens the old format, and what was never sealed, saying so", async () => {
    const { page } = await enter();
    await openRow(page, "public-key.asc");
    await open(page);
    await expect.poll(() => page.locator("pre.text").textContent()).toBe("not a secret\n");
    await expect.poll(() => page.locator("dialog > [role=status]").textContent()).toContain("unsealed");
    await page.keyboard.press("Escape");
    await giveKey(page);
    await openRow(page, "backup-2025.tar.gz");
    await open(page);
    await expect.poll(() => page.locator("pre.text").textContent()).toBe(NOTE);
  });

  test("opens nothing with a wrong key, with a wallet's key, or with no key at all", async () => {
    const { page, requests } = await enter();
    const wrong = join(tmpdir(), `wrong-${process.pid}.key`);
    await writeFile(wrong, Buffer.alloc(32, 7), { mode: 0o600 });
    await giveKey(page, wrong);
    await openRow(page, "conversation-archive");
    await open(page);
    await expect.poll(() => fault(page).textContent()).toMatch(/sealed under key [0-9a-f]{16}; the key you gave is/);
    expect(await page.locator(".shown").textContent()).toBe("");
    await page.keyboard.press("Escape");

    const walletKey = join(tmpdir(), `wallet-${process.pid}.key`);
    await writeFile(walletKey, generatePrivateKey(), { mode: 0o600 });
    await page.getByRole("button", { name: "Forget key" }).click();
    await giveKey(page, walletKey);
    await expect.poll(() => page.locator(".key-fault").textContent()).toContain("private key");
    await openRow(page, "conversation-archive");
    expect(await page.locator("dialog").getByRole("button", { name: "Open", exact: true }).count()).toBe(0);
    const secret = (await readFile(walletKey, "utf8")).slice(2);
    for (const { url, body, headers } of requests) expect(url + body + headers).not.toContain(secret);
  });

  test.each([
    ["one flipped byte near the end", (bytes: Buffer) => flipped(bytes, bytes.length - 40), /damaged|verif/],
    ["one flipped byte in the header", (bytes: Buffer) => flipped(bytes, 100), /does not open|altered|malformed/],
    ["the last chunk cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 65_000), /S3 holds/],
  ])("shows and saves nothing of an object with %s", async (_, spoil, wanted) => {
    const stored = scene.s3Keys.get("embeddings-2026-11.bin");
    if (!stored) throw new Error("the scene lost an object");
    const { page } = await enter();
    await giveKey(page);
    const whole = await bytesAt(live, stored);
    await replaceAt(live, stored, spoil(whole));
    try {
      let saved = false;
      page.on("download", () => (saved = true));
      await openRow(page, "embeddings-2026-11.bin");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await expect.poll(() => fault(page).textContent(), { timeout: 10_000 }).toMatch(wanted);
      expect(saved).toBe(false);
    } finally {
      await replaceAt(live, stored, whole);
    }
  });

  test("streams a download to disk where the browser can, and leaves no file of one that does not verify", async () => {
    // A picker that picks a file of the origin's own file system: the same writable streams, without a dialog.
    const picker = async (page: Page) => {
      await page.addInitScript(() => {
        Object.assign(window, {
          showSaveFilePicker: async () =>
            (await navigator.storage.getDirectory()).getFileHandle("out", { create: true }),
        });
      });
    };
    const sizeOf = (page: Page) =>
      page.evaluate(async () => {
        const file = await (await navigator.storage.getDirectory()).getFileHandle("out");
        return (await file.getFile()).size;
      });
    const stored = scene.s3Keys.get("weights-1.bin");
    if (!stored) throw new Error("the scene lost an object");
    const { page } = await enter({}, picker);
    await giveKey(page);
    const whole = await bytesAt(live, stored);
    await replaceAt(live, stored, flipped(whole, whole.length - 40));
    await openRow(page, "weights-1.bin");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect.poll(() => fault(page).textContent()).toMatch(/does not verify/);
    expect(await sizeOf(page)).toBe(0);
    await replaceAt(live, stored, whole);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect.poll(() => page.locator("dialog > [role=status]").textContent()).toContain("Saved.");
    expect(await sizeOf(page)).toBeGreaterThan(200_000);
  });

  test("takes a broken download up where it was, by Range, on the same URL", async () => {
    const stored = scene.s3Keys.get("weights-2.bin");
    if (!stored) throw new Error("the scene lost an object");
    const whole = await bytesAt(live, stored);
    const ranges: (string | undefined)[] = [];
    const { page, requests } = await enter({}, async (opened) => {
      await opened.route(`${live.stack.urls.s3}/**`, async (route) => {
        ranges.push(route.request().headers()["range"]);
        if (ranges.length > 1) return route.continue();
        // Cut off in the middle: the length says more than comes.
        const headers = { "access-control-allow-origin": "*", "content-length": String(whole.length) };
        await route.fulfill({ headers, body: whole.subarray(0, 100_000) });
      });
    });
    await giveKey(page);
    await openRow(page, "weights-2.bin");
    await open(page);
    await expect
      .poll(() => page.locator("dialog > [role=status]").textContent(), { timeout: 10_000 })
      .toContain("Verified.");
    expect(ranges).toEqual([undefined, "bytes=100000-"]);
    expect(requests.filter(({ url }) => url.endsWith("/app/download"))).toHaveLength(1);
  });

  test("lets nobody in twice by one link, and says so", async () => {
    const { app } = await scene.link();
    const first = await visit();
    await first.page.goto(app);
    await first.page.getByRole("heading", { name: "Your storage" }).waitFor({ state: "attached" });
    await first.page.reload();
    await first.page.getByRole("heading", { name: "Your storage" }).waitFor({ state: "attached" });
    const second = await visit();
    await second.page.goto(app);
    await second.page.getByRole("heading", { name: "This link does not open any more" }).waitFor();
  });

  test("forgets everything when the session ends, wherever it was ended", async () => {
    const { page } = await enter();
    await giveKey(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Open your storage" }).waitFor();
    expect(await page.getByRole("row").count()).toBe(0);
    await page.reload();
    await page.getByRole("heading", { name: "Open your storage" }).waitFor();

    const other = await enter();
    await giveKey(other.page);
    await scene.revoke();
    await openRow(other.page, "weights-2.bin");
    await open(other.page);
    await other.page.getByRole("heading", { name: "Open your storage" }).waitFor();
    expect(await other.page.locator("dialog").count()).toBe(0);
  });

  test("is shut to another page that the person has open, even one of the same host", async () => {
    const { context, page } = await enter();
    // Another port of the same host: to a browser it is the same site, so it sends the cookie along.
    for (const site of [live.stack.urls.s3, live.stack.urls.s3.replace("127.0.0.1", "localhost")]) {
      await context.route(`${site}/stranger`, (route) =>
        route.fulfill({ contentType: "text/html", body: "<p>hello</p>" }),
      );
      const stranger = await context.newPage();
      const statuses: number[] = [];
      stranger.on("response", (answer) => void (answer.url().endsWith("/app/list") && statuses.push(answer.status())));
      await stranger.goto(`${site}/stranger`);
      await stranger.evaluate(async (edge) => {
        const asked = { method: "POST", body: "{}", credentials: "include", mode: "no-cors" } as const;
        await fetch(`${edge}/app/list`, asked).catch(() => undefined);
        const frame = document.createElement("iframe");
        frame.src = `${edge}/app`;
        document.body.append(frame);
      }, live.edge);
      // What a refused frame shows is the browser's own page.
      await expect.poll(() => stranger.frames().some((frame) => frame.url().startsWith("chrome-error:"))).toBe(true);
      expect(statuses.every((status) => status === 403)).toBe(true);
    }
    expect(await page.getByRole("row").count()).toBeGreaterThan(1);
  });

  test("deletes with the wallet's own signature, and with no other", async () => {
    const heard: string[][] = [];
    const remove = async (account: PrivateKeyAccount, answer?: "signs" | "refuses") => {
      const { page, complaints } = await enter({}, withWallet(account, answer));
      heard.push(complaints);
      await openRow(page, "public-key.asc");
      await page.getByText("Delete", { exact: true }).click();
      await page.getByRole("button", { name: /^Sign with browser wallet and delete/ }).click();
      return page;
    };
    const stranger = await remove(privateKeyToAccount(generatePrivateKey()));
    await expect.poll(() => stranger.locator("details .fault").last().textContent()).toContain(scene.wallet);
    const refusing = await remove(scene.owner, "refuses");
    await expect.poll(() => refusing.locator("details .fault").last().textContent()).toContain("did not sign");
    const page = await remove(scene.owner);
    await page.getByText("public-key.asc is deleted.").waitFor();
    await expect.poll(() => page.getByRole("button", { name: "public-key.asc" }).count()).toBe(0);
    expect(heard.flat()).toEqual([]);
    const command = await visit();
    await command.page.goto((await scene.link()).app);
    await openRow(command.page, "north-ridge");
    await command.page.getByText("Delete", { exact: true }).click();
    expect(await command.page.locator("details code").last().textContent()).toContain(scene.wallet);
    expect(await command.page.getByRole("button", { name: /^Sign with/ }).count()).toBe(0);
  });

  test("pays the next 30 days with the wallet's signature: what was shown, once", async () => {
    const { chain } = live.stack;
    const section = (page: Page) => page.locator("details", { hasText: "Pay the next 30 days" });
    const pay = async (before: (page: Page) => Promise<void>) => {
      const { page, complaints } = await enter({}, before);
      await openRow(page, "field-notes-w47.md");
      await page.getByText("Pay the next 30 days").click();
      await page.getByRole("button", { name: /^Pay \$[\d.]+ with browser wallet$/ }).click();
      return { page, complaints };
    };
    const before = await chain.usdcBalance(scene.owner.address);
    const refusing = await pay(withWallet(scene.owner, "refuses"));
    await expect.poll(() => section(refusing.page).locator(".fault").textContent()).toContain("did not sign");

    // The list says less than the service asks: nothing is signed that was not shown.
    const cheated = await pay(async (page) => {
      await withWallet(scene.owner)(page);
      await page.route("**/app/list", async (route) => {
        const response = await route.fetch();
        const list = (await response.json()) as { objects: object[] };
        const objects = list.objects.map((object) => ({ ...object, amount: "1", next_amount: "1" }));
        await route.fulfill({ response, json: { ...list, objects } });
      });
    });
    await expect.poll(() => section(cheated.page).locator(".fault").textContent()).toContain("Nothing was signed");
    expect(await chain.usdcBalance(scene.owner.address)).toBe(before);

    const { page, complaints } = await pay(withWallet(scene.owner));
    await page.getByText(/^Paid\. field-notes-w47\.md is kept until/).waitFor();
    const after = await chain.usdcBalance(scene.owner.address);
    expect(before - after).toBe(10_000n);
    const row = page.getByRole("row", { name: /field-notes-w47\.md/ });
    await expect.poll(() => row.innerText()).toMatch(/in (?:59|60) days/);
    // Another press, another day's page: paid is paid.
    const again = await pay(withWallet(scene.owner));
    await again.page.getByText(/paid before; nothing was charged/).waitFor();
    expect(await chain.usdcBalance(scene.owner.address)).toBe(after);
    expect(complaints).toEqual([]);
  });

  test("shows ten thousand objects, a hundred at a time, found by name and sorted by what is due", async () => {
    const nowMs = Date.now();
    const { page } = await enter({}, async (opened) => {
      // A stand-in at the socket: ten thousand purchases would take hours.
      await opened.route("**/app/list", async (route) => {
        const { continuation_token: token } = route.request().postDataJSON();
        const from = Number(token ?? 0);
        const session = {
          wallet_address: scene.wallet,
          chain_id: 84_532,
          agent_id: "*",
          expires_at: new Date(nowMs + 1_800_000),
        };
        const objects = Array.from({ length: 1_000 }, (_, n) => objectNumber(from + n, nowMs));
        const next = from + 1_000 < 10_000 ? String(from + 1_000) : null;
        await route.fulfill({ json: { objects, next_continuation_token: next, session } });
      });
    });
    await page.getByText("The first 100 of 10,000 objects.").waitFor();
    const rows = page.locator("tbody tr");
    expect(await rows.count()).toBe(100);
    await expect.poll(() => rows.first().innerText()).toMatch(/unpaid, deleted in/);
    await page.getByLabel("Sort by").selectOption("largest");
    await expect.poll(() => rows.first().innerText()).toContain("object-09999");
    const startedMs = Date.now();
    await page.getByLabel("Find by name").fill("object-0004");
    await page.getByText("10 shown of 10 matches.").waitFor();
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    await page.getByLabel("Find by name").fill("");
    await page.getByRole("button", { name: "Show more" }).click();
    expect(await rows.count()).toBe(200);
  });

  test("is used by keyboard alone", async () => {
    const { page } = await enter();
    const name = page.getByRole("button", { name: "north-ridge" });
    await name.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "north-ridge" }).waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(() => name.evaluate((button) => button === document.activeElement)).toBe(true);
  });

  test.each([
    ["light, wide", "light", 1120],
    ["dark, wide", "dark", 1120],
    ["light, phone", "light", 360],
    ["dark, phone", "dark", 360],
  ] as const)("breaks no rule of accessibility: %s", async (_, colorScheme, width) => {
    const viewport = { width, height: 800 };
    const check = async (page: Page) => {
      // Evaluated by the debugger, which no policy of the page concerns.
      await page.evaluate(AXE);
      const { violations } = (await page.evaluate("axe.run()")) as AxeResults;
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`)).toEqual([]);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
    };
    const { page, complaints } = await enter({ colorScheme, viewport });
    await check(page);
    await openRow(page, "weights-2.bin");
    await page.getByText("Delete", { exact: true }).click();
    await check(page);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Open your storage" }).waitFor();
    await check(page);
    expect(complaints).toEqual([]);
  });
});
