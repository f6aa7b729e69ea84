// Elements, the one place where states are shown, and how the page looks.

import { customise, query, root, text } from './words.js';

export const $ = (id) => document.getElementById(id);
const SHAPES = {
  ok: 'm5 13 4 4L19 7', err: 'M12 5v9m0 5v.01', run: 'M12 3a9 9 0 1 0 9 9', wait: 'M12 6v6l4 2',
  window: 'M4 5h16v14H4zM4 9h16', arrow: 'm6 3 5 5-5 5',
};

/** An element: `h('p', { class: 'small' }, 'text', child)`. Functions become listeners, `true` a bare attribute. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(Boolean));
  return element;
}

/** One of our own shapes; nothing of anybody else goes into the text. */
export function shape(name, size = 24, kind = '') {
  const box = h('i');
  box.innerHTML = `<svg viewBox="0 0 ${size} ${size}" aria-hidden="true" class="${kind}"><path d="${SHAPES[name]}"/></svg>`;
  return box.firstChild;
}

export const mark = (name, kind = name) => h('div', { class: `mark ${kind}` }, shape(name));
export const button = (label, click, plain = false) =>
  h('button', { type: 'button', class: plain ? 'button plain' : 'button', click }, label);
/** A button that looks like a link. */
export const quiet = (label, click, more = {}) => h('button', { type: 'button', class: 'link', click, ...more }, label);
export const link = (label, href, more = {}) => h('a', { href, target: '_blank', rel: 'noopener', ...more }, label);

/** A button that puts something on the clipboard. */
export const copier = (value, more) => quiet(text('copy'), async ({ target }) => {
  await navigator.clipboard?.writeText(value);
  target.textContent = text('copied');
}, more);

export const page = { state: '', timers: [], leaveGuard: false, settings: {} };

/** Shows a state. Its heading gets the focus and so is read out, or `heading` is; timers of the state before end. */
export function show(state, content, { back, center = false, heading } = {}) {
  page.timers.splice(0).forEach(clearTimeout);
  page.state = state;
  root.dataset.state = state;
  const main = $('main');
  main.className = center ? 'center' : '';
  main.replaceChildren(...content.filter(Boolean));
  const title = main.querySelector('h1');
  if (title) {
    title.id = 'heading';
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
    $('card').removeAttribute('aria-label');
  } else {
    $('card').setAttribute('aria-label', heading ?? document.title);
  }
  $('live').textContent = title ? '' : (heading ?? '');
  $('back').hidden = !back;
  $('back').onclick = back ?? null;
  main.scrollTop = 0;
}

export const later = (ms, run) => page.timers.push(setTimeout(run, ms));

export function message(state, { icon, title, hint, actions = [], more = [], back }) {
  show(state, [
    mark(icon), h('h1', {}, title), hint ? h('p', {}, hint) : null, ...more,
    actions.length ? h('div', { class: 'actions' }, actions) : null,
  ], { center: true, back });
}

export function skeleton() {
  const bone = (kind) => h('div', { class: `bone ${kind}` });
  return [bone('logo'), bone('title'), bone('line'), bone('box'), bone('box')];
}

/** Black or white, whichever is easier to read on a colour (WCAG contrast): one of them always reaches 4.5:1. */
export function readableOn(hex) {
  const parts = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex);
  if (!parts) return null;
  const [red, green, blue] = parts.slice(1).map((part) => {
    const level = parseInt(part, 16) / 255;
    return level <= 0.03928 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? '#ffffff' : '#000000';
}

/** Settings of the environment, or the start without them. */
export function applySettings(settings = {}) {
  page.settings = settings;
  customise(settings.texts);
  const asked = query.get('theme') || settings.defaultTheme;
  const dark = asked === 'dark' || (asked !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  const set = (name, value) => (value ? root.style.setProperty(name, value) : root.style.removeProperty(name));
  root.dataset.theme = dark ? 'dark' : 'light';
  const colour = settings.theme?.[root.dataset.theme]?.primary;
  const ink = colour && readableOn(colour);
  set('--accent', ink && colour);
  set('--on-accent', ink);
  set('--font', settings.font);
  set('--radius', settings.cornerRadius === undefined ? '' : `${settings.cornerRadius}px`);
  $('brand').replaceChildren(settings.logo ? h('img', { src: settings.logo, alt: settings.application ?? '' }) : '');
  $('footer').hidden = !settings.showWatermark;
  $('footer').textContent = text('by');
  $('close').setAttribute('aria-label', text('close'));
  $('back').setAttribute('aria-label', text('back'));
}

/** Tab goes round within the card, Escape closes. */
export function keepFocus(close) {
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') return close();
    if (event.key !== 'Tab') return;
    const all = $('card').querySelectorAll('button, a[href], input, select, textarea, summary, iframe');
    const reachable = [...all].filter((element) => element.checkVisibility?.() ?? element.offsetParent);
    const at = document.activeElement;
    const leaves = event.shiftKey ? at === reachable[0] || at === $('heading') : at === reachable.at(-1);
    if (!leaves || !reachable.length) return;
    event.preventDefault();
    (event.shiftKey ? reachable.at(-1) : reachable[0]).focus();
  });
}
