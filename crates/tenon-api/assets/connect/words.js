// The language of the page and its texts. What a language lacks, the server filled in with English.

export const query = new URLSearchParams(location.search);
export const meta = (name) => document.querySelector(`meta[name="tenon-${name}"]`)?.content ?? '';

const languages = meta('languages').split(' ');

/** `pt` and `pt-PT` find `pt-BR`: better than English. */
function matching(wanted) {
  const tag = wanted.toLowerCase();
  const first = (name) => name.toLowerCase().split('-')[0];
  return languages.find((name) => name.toLowerCase() === tag) ?? languages.find((name) => first(name) === first(tag));
}

export const language = [query.get('lang'), ...(navigator.languages ?? [])].filter(Boolean).map(matching).find(Boolean) ?? 'en';
const version = new URL(import.meta.url).search;
export const texts = await (await fetch(new URL(`texts/${language}.json${version}`, import.meta.url))).json();
/** A module that not everybody needs. */
export const beside = (name) => import(new URL(name + version, import.meta.url));

/** A text with its `{x}` filled in. */
export const text = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

/** The words over a field, which providers write in English: the usual ones are known in every language. */
export const title = (english) => texts.titles[english] ?? english;

/** Texts of the application instead of ours. */
export function customise(own) {
  for (const [key, value] of Object.entries(own?.[language] ?? {})) if (typeof texts[key] === 'string' && value) texts[key] = value;
}

export const root = document.documentElement;
root.lang = language;
root.dir = texts.dir;
