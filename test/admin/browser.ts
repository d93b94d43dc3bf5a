/** Debian's Chromium, for the page of the admin listener. One for a test file; each test has a tab of its own. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AxeResults } from 'axe-core';
import { type Browser, launch, type Page } from 'puppeteer-core';
import { patient } from '../support/until.ts';

const CHROMIUM = process.env.SLUICE_TEST_CHROMIUM ?? '/usr/bin/chromium';

/** Where pictures of the page are kept; unset: nowhere. */
const SCREENSHOTS = process.env.SLUICE_TEST_SCREENSHOTS;

/** Why there is no browser to test with; false: there is one. */
export const NO_BROWSER: string | false =
  !existsSync(CHROMIUM) &&
  `there is no Chromium at ${CHROMIUM}; apt-get install chromium, or set SLUICE_TEST_CHROMIUM`;

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const TIMEOUT_MS = 30_000;

/** A phone, and a desktop. */
const WIDTHS = [360, 1280] as const;

/** Each width and each scheme once, because axe takes a second; for pictures, one with the other. */
const LOOKS = WIDTHS.flatMap((width) =>
  (['light', 'dark'] as const)
    .filter((scheme) => SCREENSHOTS !== undefined || (scheme === 'dark') === (width === WIDTHS[0]))
    .map((scheme) => ({ width, scheme })),
);

let browser: Promise<Browser> | undefined;

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
}

export class Tab {
  readonly page: Page;
  /** What went wrong in the page: errors, refused resources, dialogs that a script has opened. */
  readonly problems: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(patient(TIMEOUT_MS));
    page.on('pageerror', (error) => this.problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.problems.push(message.text());
    });
    page.on('dialog', (dialog) => {
      this.problems.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  static async open(t: TestContext, url: string): Promise<Tab> {
    browser ??= launch({
      executablePath: CHROMIUM,
      // Chromium has no sandbox for root, which tests in containers are.
      args: [
        '--disable-gpu',
        '--disable-dev-shm-usage',
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ],
    });
    const context = await (await browser).createBrowserContext();
    t.after(() => context.close());
    const tab = new Tab(await context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  /** Resolves once an expression of the page is true. */
  async until(expression: string): Promise<void> {
    await this.page.waitForFunction(expression).catch(async (reason: unknown) => {
      throw new Error(`in vain: ${expression}\n${await this.text('body')}`, { cause: reason });
    });
  }

  async text(selector: string): Promise<string> {
    return String(await this.page.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`));
  }

  /** Resolves once the element is seen and says what is expected. */
  async says(selector: string, pattern: RegExp): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(`${found}.checkVisibility() && ${pattern}.test(${found}.innerText)`);
  }

  /** What is wrong with the page for people who cannot see, use a mouse, or have a small screen; and pictures of it. */
  async looks(name: string): Promise<string[]> {
    const wrong: string[] = [];
    for (const { scheme, width } of LOOKS) {
      await this.page.setViewport({ width, height: 800 });
      await this.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      const look = `${name}-${width}-${scheme}`;
      if (SCREENSHOTS !== undefined) {
        mkdirSync(SCREENSHOTS, { recursive: true });
        await this.page.screenshot({
          path: join(SCREENSHOTS, `${look}.png`),
          fullPage: true,
        });
      }
      const { violations } = (await this.page.evaluate(`${AXE}; axe.run()`)) as AxeResults;
      for (const { id, nodes } of violations)
        wrong.push(
          `${look}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
        );
      const across = Number(await this.page.evaluate('document.documentElement.scrollWidth'));
      if (across > width) wrong.push(`${look}: is ${across} wide`);
    }
    return wrong;
  }
}
