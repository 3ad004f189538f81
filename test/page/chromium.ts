/** A real Chromium for the page's tests, where the machine has one. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium"];

export function findChromium(): string | undefined {
  return [process.env["MNEMOSPARK_CHROMIUM"], ...PLACES].find((path) => path !== undefined && existsSync(path));
}

export const NO_CHROMIUM =
  "no Chromium here, so the browser view was NOT tested: apt-get install -y chromium, or name one in MNEMOSPARK_CHROMIUM";

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    // No sandbox: the tests run as root in containers. The rest keeps the browser from calling home.
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync", "--no-first-run"],
    ],
  });
}
