// Every colour can be read where it stands: text at 4.9:1 or better, edges and the focus ring at 3.1:1,
// in both themes. Computed from the style sheets themselves, without a browser.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';

const TEXT = 4.9;
const EDGE = 3.1;
const PAPER = ['bg', 'side', 'raised'];

/** What stands on what. A surface that is here as text too is one for the words on it. */
const PAIRS = [
  { colour: 'text', on: PAPER, atLeast: TEXT },
  { colour: 'muted', on: PAPER, atLeast: TEXT }, // times, hints, the theme switch, the placeholder
  { colour: 'accent', on: PAPER, atLeast: TEXT }, // links, the line of a resume, "3 new messages"
  { colour: 'on-accent', on: ['accent', 'accent-hover'], atLeast: TEXT }, // the main button
  { colour: 'warn', on: PAPER, atLeast: TEXT }, // offline, a gap
  { colour: 'bad', on: PAPER, atLeast: TEXT }, // errors, "Delete and sign out"
  { colour: 'text', on: ['mention'], atLeast: TEXT }, // somebody wants the reader, or a link points there
  { colour: 'bg', on: ['bad'], atLeast: TEXT }, // the sign before an error
  { colour: 'name', on: PAPER, atLeast: TEXT },
  { colour: 'avatar-initial', on: ['avatar-ground'], atLeast: TEXT },
  { colour: 'control', on: PAPER, atLeast: EDGE },
  { colour: 'focus', on: PAPER, atLeast: EDGE },
  { colour: 'accent', on: ['bg'], atLeast: EDGE }, // the knot at the end of the thread
  { colour: 'warn', on: ['bg'], atLeast: EDGE },
];

/** Hairlines and the thread carry no meaning that is not said in words as well. */
const ORNAMENT = ['line', 'thread'];

const styles = new URL('../../client/styles/', import.meta.url);
const tokensCss = await readFile(new URL('tokens.css', styles), 'utf8');
const componentsCss = await readFile(new URL('components.css', styles), 'utf8');

/** @returns {string} what a rule says of a property */
function declared(selector, property) {
  const rule = componentsCss.split(`\n${selector} {`)[1]?.split('}')[0] ?? '';
  const value = rule.match(new RegExp(`^\\s*${property}: (.+);$`, 'm'))?.[1];
  assert.ok(value, `components.css says no ${property} of ${selector}`);
  return value;
}

/** The colour tokens, as written. */
const tokens = Object.fromEntries(
  [...tokensCss.split('\n}')[0].matchAll(/^\s*--([a-z-]+): (.*(?:oklch|color-mix).*);$/gm)].map(([, name, value]) => [name, value]),
);
const written = {
  ...tokens,
  'name': declared('.who .name', 'color'),
  'avatar-ground': declared('.avatar', 'background'),
  'avatar-initial': declared('.avatar', 'color'),
  'accent-hover': declared('.button.primary:hover', 'background'),
};

/** Splits at commas outside of parentheses. */
function parts(list) {
  const found = [''];
  let depth = 0;
  for (const char of list) {
    depth += char === '(' ? 1 : char === ')' ? -1 : 0;
    if (char === ',' && depth === 0) found.push('');
    else found[found.length - 1] += char;
  }
  return found.map((part) => part.trim());
}

/** @returns {[number, number, number]} OKLab of a CSS colour */
function oklab(css, theme, hue) {
  const [, call, inside] = css.match(/^([a-z-]+)\((.*)\)$/) ?? [];
  if (call === 'light-dark') return oklab(parts(inside)[theme === 'light' ? 0 : 1], theme, hue);
  if (call === 'var') return oklab(written[inside.replace('--', '')], theme, hue);
  if (call === 'color-mix') {
    const [space, first, second] = parts(inside);
    assert.equal(space, 'in oklab');
    const [, colour, percent] = first.match(/^(.*) (\d+)%$/);
    const share = Number(percent) / 100;
    const [one, other] = [oklab(colour, theme, hue), oklab(second, theme, hue)];
    return one.map((value, index) => value * share + other[index] * (1 - share));
  }
  assert.equal(call, 'oklch', css);
  const [lightness, chroma, angle] = inside.replace('var(--hue)', String(hue)).split(/\s+/).map(Number);
  const radians = (angle * Math.PI) / 180;
  return [lightness, chroma * Math.cos(radians), chroma * Math.sin(radians)];
}

/** Linear sRGB; Björn Ottosson, "A perceptual color space for image processing", 2020. Out of gamut is clipped. */
function linear([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((value) => Math.min(1, Math.max(0, value)));
}

/** The eight bits a screen gets. */
function bytes(colour) {
  return linear(colour).map((value) => Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055)));
}

/** Relative luminance of what the screen shows; WCAG 2.2. */
function luminance(colour) {
  const [red, green, blue] = bytes(colour).map((byte) => byte / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

test('the conversion is the known one', () => {
  const srgb = (css) => bytes(oklab(css, 'light', 0)).join(' ');
  // The corners of sRGB as Ottosson's own converter and CSS Color 4 give them.
  assert.equal(srgb('oklch(1 0 0)'), '255 255 255');
  assert.equal(srgb('oklch(0.62796 0.25768 29.234)'), '255 0 0');
  assert.equal(srgb('oklch(0.86644 0.29483 142.495)'), '0 255 0');
  assert.equal(srgb('oklch(0.45201 0.31321 264.052)'), '0 0 255');
  assert.equal(contrast(oklab('oklch(1 0 0)', 'light', 0), oklab('oklch(0 0 0)', 'light', 0)), 21);
  // #767676, the lightest gray that has 4.5:1 on white.
  assert.equal(srgb('oklch(0.5658 0 0)'), '118 118 118');
  assert.equal(contrast(oklab('oklch(0.5658 0 0)', 'light', 0), [1, 0, 0]).toFixed(2), '4.54');
});

test('every colour of the tokens is checked somewhere', () => {
  const checked = new Set([...ORNAMENT, ...PAIRS.flatMap(({ colour, on }) => [colour, ...on])]);
  assert.ok(Object.keys(tokens).length >= 13, Object.keys(tokens).join());
  assert.deepEqual(Object.keys(tokens).filter((name) => !checked.has(name)), []);
});

for (const theme of ['light', 'dark']) {
  describe(`in the ${theme} theme`, () => {
    for (const { colour, on, atLeast } of PAIRS) {
      test(`${colour} on ${on.join(', ')} has ${atLeast}:1`, () => {
        for (const surface of on) {
          const hued = [written[colour], written[surface]].some((value) => value.includes('--hue'));
          for (let hue = 0; hue < (hued ? 360 : 1); hue += 1) {
            const ratio = contrast(oklab(written[colour], theme, hue), oklab(written[surface], theme, hue));
            assert.ok(ratio >= atLeast, `${colour} on ${surface}${hued ? ` at hue ${hue}` : ''}: ${ratio.toFixed(2)}:1`);
          }
        }
      });
    }
  });
}
