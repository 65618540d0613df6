// Checks of the report of `run-perf --html` in headless Chromium: node run-checks.mjs REPORT.html
// It has no script, so that most of report-checks.mjs does not apply.
import fs from 'fs';
import { createRequire } from 'module';
const require = createRequire(import.meta.url);
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const file = fs.realpathSync(process.argv[2]);
let failed = 0;
const check = (what, ok, seen = '') => {
  if (!ok) failed++;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}${seen === '' ? '' : ': ' + seen}`);
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
const seen = [];
const page = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1200 }, ...options });
  const p = await context.newPage();
  p.on('request', r => { if (!r.url().startsWith('file:')) seen.push(r.url()); });
  p.on('pageerror', e => seen.push(e.message));
  p.on('console', m => { if (m.type() === 'error') seen.push(m.text()); });
  await p.goto('file://' + file);
  return p;
};
const p = await page();
check('the title has the verdict, there is one h1, ids are unique', await p.evaluate(() => /^(PASS|FAIL|ERROR)/.test(document.title) && document.querySelectorAll('h1').length === 1
  && new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length));
check('a policy, no script, no style attribute', await p.evaluate(() => document.querySelector('meta[http-equiv="Content-Security-Policy"]').content.includes("default-src 'none'")
  && !document.querySelector('script') && [...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => a.name !== 'style' && !a.name.startsWith('on')))));
const curves = await p.locator('svg.sp').count();
check('curves of the machines are there, each with its words', curves > 0 && await p.evaluate(() => [...document.querySelectorAll('svg.sp')].every(s => s.getAttribute('aria-label') && s.querySelector('path').getAttribute('d'))), `${curves} curves`);
check('links lead somewhere', await p.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].every(a => document.getElementById(a.hash.slice(1)))));
check('headers have a scope', await p.evaluate(() => [...document.querySelectorAll('th')].every(t => t.scope)));
for (const width of [360, 768, 1280]) {
  const w = await page({ viewport: { width, height: 900 } });
  check(`no sideways scrolling at ${width} px`, await w.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
}
for (const colorScheme of ['light', 'dark']) {
  const a = await page({ colorScheme });
  await a.evaluate(() => document.querySelectorAll('details').forEach(d => { d.open = true; }));
  await a.evaluate(axe);
  const bad = await a.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
    .filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => `${v.id} at ${v.nodes[0].target.join(' ')}`));
  check(`axe-core finds nothing serious (${colorScheme})`, bad.length === 0, bad.join('; '));
}
check('no request, error or violation', seen.length === 0, seen.join(' | '));
if (process.env.SHOTS) await p.screenshot({ path: `${process.env.SHOTS}/${file.split('/').pop().replace(/\.html$/, '')}-desktop.png`, fullPage: true });
await browser.close();
process.exit(failed ? 1 : 0);
