// The page of the example `monitoring`, at DASHBOARD_URL, in Chromium: what a person would notice is
// reported as JSON lines. Pictures of it are put into DASHBOARD_PICTURES, after DASHBOARD_SECONDS of
// trouble that fill the charts. At last it waits until the server has gone.

const path = require("node:path");
const { chromium } = require("playwright-core");

const report = (value) => console.log(JSON.stringify(value));
const { CHROMIUM, DASHBOARD_URL, DASHBOARD_PICTURES, DASHBOARD_SECONDS = "0" } = process.env;
const DEADLINE = 50_000; // milliseconds, less than a reader of the lines waits

/** The text of the elements with these ids. */
const texts = (page, ids) =>
  page.evaluate((ids) => ids.map((id) => document.getElementById(id).textContent), ids);

/** Texts that a person cannot read well: their contrast with what is behind them. */
function contrasts() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [red, green, blue] = color.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (text === "" || !element.checkVisibility() || element.closest("noscript") !== null) continue;
    const style = getComputedStyle(element);
    const ink = rgba(element.closest("svg") === null ? style.color : style.fill);
    const [lighter, darker] = [luminance(ink), luminance(behind(element))].sort((a, b) => b - a);
    found.push({ text, contrast: (lighter + 0.05) / (darker + 0.05) });
  }
  return found;
}

/** How the page looks by a scheme. */
async function look(page, scheme) {
  await page.emulateMedia({ colorScheme: scheme });
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const all = await page.evaluate(contrasts);
  const worst = all.reduce((worst, it) => (it.contrast < worst.contrast ? it : worst));
  const overflows = {};
  for (const [width, name] of [[400, "narrow"], [1280, "dashboard"]]) {
    await page.setViewportSize({ width, height: 600 });
    overflows[width] = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    await page.screenshot({ path: path.join(DASHBOARD_PICTURES, `${name}-${scheme}.png`), fullPage: true });
  }
  report({ scheme, background, texts: all.length, worst, overflows });
}

async function main() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const errors = [];
  const hosts = new Set();
  let expectsErrors = false;
  page.on("console", (message) => {
    if (message.type() === "error" && !expectsErrors) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => hosts.add(new URL(request.url()).host));

  const press = (name) => page.getByRole("button", { name }).click();
  const until = (condition) => page.waitForFunction(condition, null, { timeout: DEADLINE });

  await page.goto(DASHBOARD_URL);
  await until(() => document.getElementById("link").textContent === "Live");
  await until(() => Number(document.getElementById("rate-in").textContent) > 0);
  await until(() => document.getElementById("news").textContent === "All is well");
  report({ quiet: await texts(page, ["hub", "link"]) });

  await press("1500, too much");
  await until(() => document.getElementById("answer").textContent.startsWith("1500 "));
  await until(() => Number(document.getElementById("throttled").textContent) > 0);
  await press("takes partition 0");
  await until(() => Number(document.querySelector("#partitions td:last-child").textContent) > 0);
  await press("500 ms, too slow");
  await until(() => Number.parseFloat(document.getElementById("lag-events").textContent) > 0);
  report({ busy: await texts(page, ["held", "throttled", "lag-events"]) });
  const labels = page.locator("main svg").evaluateAll((all) => all.map((it) => it.getAttribute("aria-label")));
  report({ labels: await labels });

  await page.waitForTimeout(300 * Number(DASHBOARD_SECONDS));
  await press("2 ms");
  await page.waitForTimeout(700 * Number(DASHBOARD_SECONDS));
  await look(page, "light");
  await look(page, "dark");
  await press("Light");
  report({ chosen: await page.evaluate(() => getComputedStyle(document.body).backgroundColor) });
  report({ errors, hosts: [...hosts] });

  expectsErrors = true;
  report({ waits: "for the server to go" });
  await until(() => !document.getElementById("gone").hidden);
  report({ gone: await texts(page, ["gone", "link"]) });
  await browser.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
