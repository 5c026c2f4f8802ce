// What a careful eye would see on a page, in figures: axe-core's findings, text that is cut off or
// covered, things wider than the window, targets too small for a finger. And the photographs.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { settled } from './house.mjs';

/** How long something wrong may last on a page that still moves. */
const SETTLES_MS = 5_000;
export const SIZES = { 360: [360, 740], 768: [768, 1024], 1440: [1440, 900] };
const THEMES = ['light', 'dark'];

/** Where the photographs go. Named, it gets all of them; else a few go where they can be looked at after a failure. */
const named = process.env.SCREENSHOT_DIR;
const folder = named ?? (await mkdtemp(join(tmpdir(), 'chorus-states-')));
const photographed = named ? [360, 768, 1440] : [360, 1440];

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Looks at the state a page is in, at every width and in both themes, and leaves it as it was.
 * @param {import('./house.mjs').Person} person
 * @param {string} name of the photographs
 * @param {{shows: string | RegExp, widths?: number[]}} state a text that stands there as long as the state lasts
 */
export async function look(person, name, { shows, widths = [360, 768, 1440] }) {
  const { page } = person;
  const usual = page.viewportSize();
  const problems = [];
  const check = async (where, find) => problems.push(...(await lasting(find)).map((problem) => `${where}: ${problem}`));
  await mkdir(folder, { recursive: true });
  const device = await deviceOf(page);

  // Nothing is shown only because a mouse happens to be over it.
  await page.mouse.move(0, 0);
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of widths) {
      const [, height] = SIZES[width];
      await page.setViewportSize({ width, height });
      await settled(page);
      await person.reads(shows);
      await check(`${theme}, ${width} px`, () => page.evaluate(seen));
      if (photographed.includes(width)) await page.screenshot({ path: join(folder, `${name}-${width}-${theme}.png`) });
    }
    await check(`${theme}: axe`, () => axe(page));
  }
  if (widths.includes(360)) {
    // 640 px at 200 %: half as wide to the page, with twice the pixels.
    await device.send('Emulation.setDeviceMetricsOverride', { width: 320, height: 450, deviceScaleFactor: 2, mobile: false });
    await settled(page);
    await check('at 200 %', () => page.evaluate(seen));
    if (named) await page.screenshot({ path: join(folder, `${name}-zoomed.png`) });
    await device.send('Emulation.setTouchEmulationEnabled', { enabled: true });
    await device.send('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 1, mobile: false });
    await settled(page);
    await check('on a phone', () => page.evaluate(seen));
    await check('on a phone', () => page.evaluate(tooSmall));
    await device.send('Emulation.setTouchEmulationEnabled', { enabled: false });
    await device.send('Emulation.clearDeviceMetricsOverride');
  }
  await page.setViewportSize({ width: usual.width, height: usual.height - 1 });
  await page.setViewportSize(usual);
  await page.emulateMedia({ colorScheme: 'light' });
  await settled(page);
  assert.deepEqual(problems, [], `${name}; photographs in ${folder}`);
}

const devices = new WeakMap();

/** Kept, because Chromium forgets that a page is offline when any session on it ends. */
async function deviceOf(page) {
  if (!devices.has(page)) devices.set(page, await page.context().newCDPSession(page));
  return devices.get(page);
}

/** What is wrong and stays so: a page that still moves is asked again for a while. */
async function lasting(find) {
  const deadline = Date.now() + SETTLES_MS;
  for (;;) {
    const problems = await find();
    if (problems.length === 0 || Date.now() > deadline) return problems;
    await sleep(100);
  }
}

/** Every default rule (WCAG 2.0 to 2.2 at A and AA, and best practices), and the one on the size of targets. */
export async function axe(page) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axeSource);
  return page.evaluate(async () => {
    // A link to a message begins with `#`, and is taken for one that skips a menu.
    const rules = { 'target-size': { enabled: true }, 'skip-link': { enabled: false } };
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], rules });
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target} ${node.failureSummary?.replaceAll('\n', ' ')}`));
  });
}

/** Runs in the page. */
function seen() {
  const problems = [];
  const width = document.documentElement.clientWidth;
  const named = (element) => `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ''}${element.classList.length ? `.${[...element.classList].join('.')}` : ''}`;
  // Words for screen readers only are meant not to be seen.
  const drawn = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('.unseen');
  const style = new Map();
  const styleOf = (element) => style.get(element) ?? style.set(element, getComputedStyle(element)).get(element);
  const saysItsRest = (element) => styleOf(element).textOverflow === 'ellipsis' && element.title !== '';

  if (document.documentElement.scrollWidth > width) problems.push(`the page scrolls sideways: ${document.documentElement.scrollWidth} px`);
  for (const element of document.querySelectorAll('body, body *:not(svg, svg *)')) {
    if (!drawn(element)) continue;
    const { overflowX, overflowY } = styleOf(element);
    const box = element.getBoundingClientRect();
    if (box.right > width + 0.5 || box.left < -0.5) problems.push(`${named(element)} is outside of the window: ${box.left} to ${box.right}`);
    const over = element.scrollWidth > element.clientWidth + 1;
    if (over && ['auto', 'scroll'].includes(overflowX)) problems.push(`${named(element)} scrolls sideways`);
    if (over && ['hidden', 'clip'].includes(overflowX) && !saysItsRest(element)) problems.push(`${named(element)} cuts its content off: ${element.scrollWidth} in ${element.clientWidth} px`);
    if (element.scrollHeight > element.clientHeight + 1 && ['hidden', 'clip'].includes(overflowY) && !saysItsRest(element)) problems.push(`${named(element)} cuts its content off: ${element.scrollHeight} in ${element.clientHeight} px high`);
  }

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const owner = node.parentElement;
    if (!node.data.trim() || owner.matches('script, noscript, textarea') || !drawn(owner)) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      const text = `“${node.data.trim().slice(0, 30)}” in ${named(owner)}`;
      const whole = owner.matches('[title]') && saysItsRest(owner);
      let [left, right, top, bottom] = [0, width, -Infinity, Infinity];
      let cut = false;
      // Inside of what says its rest, words may end at its edge.
      let rest = null;
      for (let around = owner; around && around !== document.body; around = around.parentElement) {
        const { overflowX, overflowY } = styleOf(around);
        const frame = around.getBoundingClientRect();
        const clipsX = overflowX !== 'visible';
        if (saysItsRest(around)) rest ??= frame;
        if (!rest && (clipsX || around.matches('button, label, .field')) && (box.left < frame.left - 1 || box.right > frame.right + 1)) cut = true;
        if (!rest && (['hidden', 'clip'].includes(overflowY) || around.matches('button, label')) && (box.top < frame.top - 3 || box.bottom > frame.bottom + 3)) cut = true;
        if (overflowY !== 'visible') [top, bottom] = [Math.max(top, frame.top), Math.min(bottom, frame.bottom)];
        if (styleOf(around).position === 'fixed') break;
      }
      if (!whole && !rest && (box.left < left - 1 || box.right > right + 1)) cut = true;
      if (cut) {
        problems.push(`${text} is cut off: ${Math.round(box.left)} to ${Math.round(box.right)} across, ${Math.round(box.top)} to ${Math.round(box.bottom)} down`);
        break;
      }
      // Whatever lies over words must be meant to. On the very edge of what scrolls, a pixel belongs to either side.
      const [x, y] = [(box.left + Math.min(box.right, rest?.right ?? right)) / 2, (box.top + box.bottom) / 2];
      if (y < Math.max(0, top) + 1 || y > Math.min(innerHeight, bottom) - 1 || !owner.checkVisibility({ opacityProperty: true })) continue;
      const above = document.elementFromPoint(x, y);
      if (above && !owner.contains(above) && !above.contains(owner) && !above.closest('.newer, .scrim, .menu, .people')) problems.push(`${text} is covered by ${named(above)}`);
    }
  }
  return [...new Set(problems)];
}

/** Runs in the page, as a phone. Links within sentences and in the line of a name are let off, as WCAG does; a message is only for the keyboard. */
function tooSmall() {
  const problems = [];
  if (!matchMedia('(pointer: coarse)').matches) problems.push('this is no phone');
  for (const element of document.querySelectorAll('button, a[href], input, textarea, select, summary, [tabindex="0"]')) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const target = element.matches('.unseen') ? element.nextElementSibling : element;
    const { width, height } = target.getBoundingClientRect();
    if (!element.matches('.said') && !element.closest('.text, .time') && (height < 43.5 || width < 43.5)) problems.push(`${element.id || element.textContent || element.value} is ${Math.round(width)} × ${Math.round(height)} px`);
    if (element.matches('input:not(.unseen), textarea, select') && parseFloat(getComputedStyle(element).fontSize) < 16) problems.push(`${element.id} would zoom the page: below 16 px`);
  }
  return problems;
}
