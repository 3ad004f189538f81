/** Takes the screenshots in docs/: `node test/page/shots.ts [folder]`. Looks at the real page over the real stack. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { startLive } from "../live/stack.ts";
import { findChromium, launch, NO_CHROMIUM } from "./chromium.ts";
import { makeScene, type Scene } from "./scene.ts";

const folder = process.argv[2] ?? join(import.meta.dirname, "../../docs/img");

const executable = findChromium();
if (executable === undefined) throw new Error(NO_CHROMIUM);
await mkdir(folder, { recursive: true });
const live = await startLive({ wallets: 1 });
const browser = await launch(executable);
try {
  const scene = await makeScene(live);
  await shoot(browser, scene, "light", { width: 1120, height: 760 }, "browser-light", list);
  await shoot(browser, scene, "dark", { width: 1120, height: 760 }, "browser-dark", opened);
  await shoot(browser, scene, "light", { width: 390, height: 844 }, "browser-phone", list);
  await shoot(browser, scene, "dark", { width: 390, height: 844 }, "browser-phone-open", deleting);
  await shoot(browser, scene, "light", { width: 1120, height: 760 }, "browser-outside", async (page) => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Open your storage" }).waitFor();
  });
  await scene.end();
} finally {
  await browser.close();
  await live.stop();
}

async function shoot(
  browser: Browser,
  scene: Scene,
  colorScheme: "light" | "dark",
  viewport: { width: number; height: number },
  name: string,
  act: (page: Page, scene: Scene) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ colorScheme, viewport, locale: "en-GB" });
  const page = await context.newPage();
  await page.goto((await scene.link()).app);
  await page.getByText("8 objects.").waitFor();
  await act(page, scene);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
}

async function list(_page: Page): Promise<void> {}

async function opened(page: Page, scene: Scene): Promise<void> {
  await page.locator("input[type=file]").first().setInputFiles(scene.keyFile);
  await page.getByRole("button", { name: "north-ridge" }).click();
  await page.getByRole("button", { name: "Open", exact: true }).click();
  const row = page.locator(".file-row", { hasText: "ridge.png" });
  await row.getByRole("button", { name: "View" }).click();
  await page.locator("img.image").waitFor();
  await page.locator(".said p").waitFor({ state: "detached" });
  await page.locator("dialog .shown").scrollIntoViewIfNeeded();
}

async function deleting(page: Page): Promise<void> {
  await page.getByRole("button", { name: "field-notes-w47.md" }).click();
  await page.getByText("Delete", { exact: true }).click();
}
