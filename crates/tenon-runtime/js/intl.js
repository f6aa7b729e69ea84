// `Intl` and what depends on places: the forms of a few places, written out; the clock is UTC. What is not here is
// refused by name, so that no text looks right and is wrong.
"use strict";

const DATES = {
  "en-US": { order: "mdy", between: "/", pad: false, join: ", ", half: ["AM", "PM"] },
  "en-GB": { order: "dmy", between: "/", pad: true, join: ", " },
  "en-CA": { order: "ymd", between: "-", pad: true, join: ", ", half: ["a.m.", "p.m."] },
  "de-DE": { order: "dmy", between: ".", pad: false, join: ", " },
  "fr-FR": { order: "dmy", between: "/", pad: true, join: " " },
  "sv-SE": { order: "ymd", between: "-", pad: true, join: " " },
};
const NUMBERS = {
  "en-US": { group: ",", point: ".", minus: "-", percent: "%" },
  "en-GB": { group: ",", point: ".", minus: "-", percent: "%" },
  "en-CA": { group: ",", point: ".", minus: "-", percent: "%" },
  "de-DE": { group: ".", point: ",", minus: "-", percent: "\u00a0%" },
  "fr-FR": { group: "\u202f", point: ",", minus: "-", percent: "\u00a0%" },
  "sv-SE": { group: "\u00a0", point: ",", minus: "\u2212", percent: "\u00a0%" },
};
const LANGUAGES = { en: "en-US", de: "de-DE", fr: "fr-FR", sv: "sv-SE" };
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
// Symbols as they are written in the United States; other currencies are written with their code.
const SYMBOLS = { USD: "$", EUR: "\u20ac", GBP: "\u00a3", JPY: "\u00a5", INR: "\u20b9", CNY: "CN\u00a5", KRW: "\u20a9", BRL: "R$", CAD: "CA$", AUD: "A$", MXN: "MX$", NZD: "NZ$", ILS: "\u20aa", VND: "\u20ab", TWD: "NT$", HKD: "HK$", PHP: "\u20b1" };
const WITHOUT_CENTS = ["JPY", "KRW", "VND", "CLP", "ISK", "UGX", "XAF", "XOF", "XPF", "PYG", "RWF", "KMF", "GNF", "DJF", "BIF", "VUV"];
const THREE_DIGITS = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

const missing = (what) => new RangeError(`${what} is not available in functions`);

/** The tag of the first place asked for that is known; English as written in the United States if none is. */
function localeOf(asked) {
  const list = asked === undefined ? [] : typeof asked === "string" ? [asked] : Array.from(asked, String);
  for (const tag of list) {
    if (!/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(tag)) throw new RangeError("Incorrect locale information provided");
  }
  if (list.length === 0) return "en-US";
  const found = list.map(known).find((tag) => tag !== undefined);
  if (found === undefined) throw missing(`The locale "${list[0]}" (there are ${Object.keys(DATES).join(", ")})`);
  return found;
}

function known(tag) {
  const plain = tag.replace(/-u-.*$/, "");
  const name = plain.replace(/^[A-Za-z]+/, (text) => text.toLowerCase()).replace(/-[A-Za-z]{2}$/, (text) => text.toUpperCase());
  if (Object.hasOwn(LANGUAGES, name)) return LANGUAGES[name];
  return Object.hasOwn(DATES, name) ? name : undefined;
}

const supportedLocalesOf = (asked) => (asked === undefined ? [] : typeof asked === "string" ? [asked] : Array.from(asked, String)).filter((tag) => known(tag) !== undefined);

/** One of `allowed`, or what stands for nothing. */
function choice(options, name, allowed, otherwise) {
  const value = options[name];
  if (value === undefined) return otherwise;
  const text = String(value);
  if (!allowed.includes(text)) throw new RangeError(`Value ${text} out of range for Intl options property ${name}`);
  return text;
}

function integer(options, name, from, to, otherwise) {
  if (options[name] === undefined) return otherwise;
  const value = Number(options[name]);
  if (!(value >= from && value <= to)) throw new RangeError(`${name} value is out of range.`);
  return Math.floor(value);
}

function refuse(options, names, of) {
  for (const name of names) if (options[name] !== undefined) throw missing(`The option ${name} of ${of}`);
}

const asOptions = (options) => (options === undefined ? {} : Object(options));

// ---------------------------------------------------------------- numbers

/** Digits of a number: whole part and fraction, without sign and exponent. */
function plain(value) {
  const [digits, exponent = "0"] = String(value).replace(/^-/, "").split("e");
  const [whole, fraction = ""] = digits.split(".");
  const shift = Number(exponent);
  if (shift >= 0) return [whole + fraction.slice(0, shift).padEnd(shift, "0"), fraction.slice(shift)];
  const all = whole.padStart(1 - shift, "0");
  return [all.slice(0, all.length + shift), all.slice(all.length + shift) + fraction];
}

/** Rounds half away from zero to `places` digits behind the point, or before it where that is negative. */
function rounded([whole, fraction], places) {
  const all = whole + fraction;
  const keep = whole.length + places;
  if (keep < 0) return ["0", ""];
  if (fraction.length <= places) return [whole, fraction];
  let digits = BigInt(all.slice(0, keep) || "0");
  if (all[keep] >= "5") digits += 1n;
  const text = String(digits).padStart(Math.max(keep, places + 1, 1), "0");
  if (places <= 0) return [text === "0" ? "0" : text + "0".repeat(-places), ""];
  return [text.slice(0, text.length - places) || "0", text.slice(text.length - places)];
}

function significant(parts, least, most) {
  const all = parts[0] + parts[1];
  const first = all.search(/[1-9]/);
  if (first < 0) return [parts[0], "0".repeat(Math.max(0, least - 1))];
  const lead = parts[0].length - first;
  let [whole, fraction] = rounded(parts, most - lead);
  fraction = fraction.replace(/0+$/, "");
  const now = (whole + fraction).replace(/^0+/, "").length;
  if (now < least && lead < least) fraction = fraction.padEnd(Math.max(fraction.length, least - lead), "0");
  return [whole, fraction];
}

class NumberFormat {
  #locale;
  #of;
  #settings;

  constructor(locales, given) {
    const options = asOptions(given);
    this.#locale = localeOf(locales);
    this.#of = NUMBERS[this.#locale];
    const style = choice(options, "style", ["decimal", "percent", "currency", "unit"], "decimal");
    if (style === "unit") throw missing("The style unit of Intl.NumberFormat");
    if (choice(options, "notation", ["standard", "scientific", "engineering", "compact"], "standard") !== "standard") throw missing(`The notation ${options.notation} of Intl.NumberFormat`);
    refuse(options, ["numberingSystem", "roundingIncrement", "roundingMode", "roundingPriority", "trailingZeroDisplay"], "Intl.NumberFormat");
    let currency;
    if (style === "currency") {
      if (options.currency === undefined) throw new TypeError("Currency code is required with currency style.");
      currency = String(options.currency).toUpperCase();
      if (!/^[A-Z]{3}$/.test(currency)) throw new RangeError(`Invalid currency code : ${options.currency}`);
      if (this.#locale !== "en-US") throw missing(`The style currency for ${this.#locale}`);
      if (options.currencySign === "accounting" || options.currencyDisplay === "name") throw missing("This way of writing currencies");
    }
    const cents = WITHOUT_CENTS.includes(currency) ? 0 : THREE_DIGITS.includes(currency) ? 3 : 2;
    const usual = style === "currency" ? [cents, cents] : style === "percent" ? [0, 0] : [0, 3];
    const least = integer(options, "minimumFractionDigits", 0, 100);
    const most = integer(options, "maximumFractionDigits", 0, 100);
    if (least !== undefined && most !== undefined && least > most) throw new RangeError("maximumFractionDigits value is out of range.");
    const leastSignificant = integer(options, "minimumSignificantDigits", 1, 21);
    const mostSignificant = integer(options, "maximumSignificantDigits", leastSignificant ?? 1, 21);
    this.#settings = {
      style,
      currency,
      shown: choice(options, "currencyDisplay", ["code", "symbol", "narrowSymbol"], "symbol"),
      minimumIntegerDigits: integer(options, "minimumIntegerDigits", 1, 21, 1),
      minimumFractionDigits: least ?? Math.min(usual[0], most ?? usual[0]),
      maximumFractionDigits: most ?? Math.max(usual[1], least ?? usual[1]),
      significant: leastSignificant === undefined && mostSignificant === undefined ? undefined : [leastSignificant ?? 1, mostSignificant ?? 21],
      grouped: options.useGrouping !== false && options.useGrouping !== "false",
      sign: choice(options, "signDisplay", ["auto", "always", "never", "exceptZero", "negative"], "auto"),
    };
    // Bound, because it is passed to `map`.
    Object.defineProperty(this, "format", { value: (value) => this.#format(value), configurable: true });
  }

  #format(value) {
    const number = typeof value === "bigint" ? value : Number(value);
    const { style, currency, shown } = this.#settings;
    const negative = typeof number === "bigint" ? number < 0n : number < 0 || Object.is(number, -0);
    const text = Number.isNaN(number) ? "NaN" : number === Infinity || number === -Infinity ? "\u221e" : this.#digits(number);
    const sign = this.#sign(negative, !/[1-9\u221e]/.test(text));
    if (style !== "currency") return this.#around(text, sign);
    const symbol = shown === "code" || !Object.hasOwn(SYMBOLS, currency) ? (/\d/.test(text) ? `${currency}\u00a0` : currency) : shown === "narrowSymbol" ? SYMBOLS[currency].replace(/^[A-Z]+(?=.)/, "") : SYMBOLS[currency];
    return sign + symbol + text;
  }

  #around(text, sign) {
    return sign + text + (this.#settings.style === "percent" ? this.#of.percent : "");
  }

  #sign(negative, zero) {
    const { sign } = this.#settings;
    if (sign === "never" || (zero && (sign === "exceptZero" || sign === "negative"))) return "";
    if (negative) return this.#of.minus;
    return sign === "always" || sign === "exceptZero" ? "+" : "";
  }

  #digits(number) {
    const { style, significant: digits, minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, grouped } = this.#settings;
    let parts = plain(number);
    if (style === "percent") parts = [(parts[0] + parts[1].slice(0, 2).padEnd(2, "0")).replace(/^0+(?=.)/, ""), parts[1].slice(2)];
    if (digits) {
      parts = significant(parts, ...digits);
    } else {
      parts = rounded(parts, maximumFractionDigits);
      parts[1] = parts[1].replace(/0+$/, "").padEnd(minimumFractionDigits, "0");
    }
    let whole = parts[0].padStart(minimumIntegerDigits, "0");
    if (grouped) whole = whole.replace(/\B(?=(\d{3})+$)/g, this.#of.group);
    return parts[1] ? `${whole}${this.#of.point}${parts[1]}` : whole;
  }

  resolvedOptions() {
    const { style, currency, minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, grouped, sign } = this.#settings;
    const told = { locale: this.#locale, numberingSystem: "latn", style, minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, useGrouping: grouped ? "auto" : false, notation: "standard", signDisplay: sign };
    if (currency) told.currency = currency;
    return told;
  }

  static supportedLocalesOf = supportedLocalesOf;
  get [Symbol.toStringTag]() {
    return "Intl.NumberFormat";
  }
}

// ---------------------------------------------------------------- dates

const STYLES = {
  full: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  long: { year: "numeric", month: "long", day: "numeric" },
  medium: { year: "numeric", month: "short", day: "numeric" },
  short: { year: "2-digit", month: "numeric", day: "numeric" },
};
const TIMES = {
  full: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "long" },
  long: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
  medium: { hour: "numeric", minute: "2-digit", second: "2-digit" },
  short: { hour: "numeric", minute: "2-digit" },
};
const FIELDS = {
  weekday: ["narrow", "short", "long"],
  year: ["numeric", "2-digit"],
  month: ["numeric", "2-digit", "narrow", "short", "long"],
  day: ["numeric", "2-digit"],
  hour: ["numeric", "2-digit"],
  minute: ["numeric", "2-digit"],
  second: ["numeric", "2-digit"],
  timeZoneName: ["short", "long"],
};
// What must be asked for, and what is shown if nothing of it is: the class itself, `toLocaleDateString`,
// `toLocaleTimeString` and `toLocaleString`.
const USUAL = {
  date: { needs: "any", adds: "date" },
  day: { needs: "day", adds: "date" },
  time: { needs: "time", adds: "time" },
  all: { needs: "any", adds: "all" },
};
const UTC = ["UTC", "ETC/UTC", "ETC/UCT", "UCT", "GMT", "ETC/GMT", "ZULU", "ETC/ZULU"];

const two = (number) => String(number).padStart(2, "0");
const shortened = (name, how) => (how === "long" ? name : how === "short" ? name.slice(0, 3) : name.slice(0, 1));
const literal = (value) => ({ type: "literal", value });

class DateTimeFormat {
  #locale;
  #fields;
  #style;
  #hours;

  constructor(locales, given, usual = "date") {
    const options = asOptions(given);
    this.#locale = localeOf(locales);
    this.#style = DATES[this.#locale];
    refuse(options, ["era", "dayPeriod", "calendar", "numberingSystem"].filter((name) => options[name] !== "gregory" && options[name] !== "latn"), "Intl.DateTimeFormat");
    const zone = options.timeZone;
    if (zone !== undefined && !UTC.includes(String(zone).toUpperCase())) throw missing(`The time zone ${zone} (the clock of functions is UTC)`);
    const fields = {};
    for (const [name, allowed] of Object.entries(FIELDS)) {
      const value = choice(options, name, allowed);
      if (value !== undefined) fields[name] = value;
    }
    const fraction = integer(options, "fractionalSecondDigits", 1, 3);
    if (fraction !== undefined) fields.fraction = fraction;
    this.#fields = this.#chosen(options, fields, usual);
    this.#hours = this.#cycle(options);
    if (this.#locale !== "en-US") this.#check();
    Object.defineProperty(this, "format", { value: (date) => this.formatToParts(date).map((part) => part.value).join(""), configurable: true });
  }

  #chosen(options, fields, usual) {
    const dateStyle = choice(options, "dateStyle", Object.keys(STYLES));
    const timeStyle = choice(options, "timeStyle", Object.keys(TIMES));
    if (dateStyle !== undefined || timeStyle !== undefined) {
      if (Object.keys(fields).length > 0) throw new TypeError(`Can't set option ${Object.keys(fields)[0]} when ${dateStyle === undefined ? "timeStyle" : "dateStyle"} is used`);
      if (this.#locale !== "en-US") throw missing(`The option dateStyle or timeStyle for ${this.#locale}`);
      if ((usual === "time" && dateStyle !== undefined) || (usual === "day" && timeStyle !== undefined)) throw new TypeError("Invalid option : " + (usual === "time" ? "dateStyle" : "timeStyle"));
      return { ...STYLES[dateStyle], ...TIMES[timeStyle] };
    }
    const has = (names) => names.some((name) => fields[name] !== undefined);
    const [days, hours] = [["weekday", "year", "month", "day"], ["hour", "minute", "second", "fraction"]];
    const { needs, adds } = USUAL[usual];
    if (has(needs === "day" ? days : needs === "time" ? hours : [...days, ...hours])) return fields;
    const date = { year: "numeric", month: "numeric", day: "numeric" };
    const time = { hour: "numeric", minute: "2-digit", second: "2-digit" };
    return { ...fields, ...(adds === "time" ? {} : date), ...(adds === "date" ? {} : time) };
  }

  /** `h12`, `h23` or `h24`. */
  #cycle(options) {
    const asked = choice(options, "hourCycle", ["h11", "h12", "h23", "h24"]);
    if (options.hour12 === undefined) {
      if (asked === "h11") throw missing("The hour cycle h11");
      return asked ?? (this.#style.half ? "h12" : "h23");
    }
    if (options.hour12) return "h12";
    return this.#style.half ? "h24" : "h23";
  }

  /** Only numbers, and only in forms that are written out above. */
  #check() {
    const { weekday, year, month, day, hour, minute, second, timeZoneName, fraction } = this.#fields;
    const texts = weekday || timeZoneName || fraction || !["numeric", "2-digit", undefined].includes(month);
    const dates = [year, month, day].filter(Boolean).length;
    const whole = dates === 3 || (dates === 0 && hour) || (dates === 1 && !hour && !day);
    const clock = hour ? minute : !minute && !second;
    if (texts || !whole || !clock || (this.#hours === "h12") !== Boolean(this.#style.half) || this.#hours === "h24") throw missing(`This way of writing dates for ${this.#locale}`);
  }

  formatToParts(given) {
    const date = given === undefined ? new Date() : new Date(given);
    if (Number.isNaN(date.getTime())) throw new RangeError("Invalid time value");
    const days = this.#dateParts(date);
    const hours = this.#timeParts(date);
    if (days.length === 0 || hours.length === 0) return [...days, ...hours];
    const lone = this.#fields.weekday && !this.#fields.month && !this.#fields.day && !this.#fields.year;
    return [...days, literal(this.#fields.month === "long" ? " at " : lone ? " " : this.#style.join), ...hours];
  }

  #dateParts(date) {
    const { weekday, year, month, day } = this.#fields;
    const pad = this.#style.pad && [year, month, day].filter(Boolean).length > 1;
    const parts = {
      year: year && { type: "year", value: year === "2-digit" ? two(Math.abs(date.getUTCFullYear()) % 100) : String(date.getUTCFullYear()) },
      day: day && { type: "day", value: day === "2-digit" || pad ? two(date.getUTCDate()) : String(date.getUTCDate()) },
    };
    const named = month && month !== "numeric" && month !== "2-digit";
    if (month) parts.month = { type: "month", value: named ? shortened(MONTHS[date.getUTCMonth()], month) : month === "2-digit" || pad ? two(date.getUTCMonth() + 1) : String(date.getUTCMonth() + 1) };
    const list = weekday ? [{ type: "weekday", value: shortened(DAYS[date.getUTCDay()], weekday) }] : [];
    const add = (part, before) => {
      if (!part) return;
      if (list.length > 0) list.push(literal(list.length === 1 && weekday ? ", " : before));
      list.push(part);
    };
    if (named) {
      add(parts.month, " ");
      add(parts.day, " ");
      add(parts.year, parts.day ? ", " : " ");
      return list;
    }
    const order = { m: parts.month, d: parts.day, y: parts.year };
    for (const letter of this.#style.order) add(order[letter], this.#style.between);
    return list;
  }

  #timeParts(date) {
    const { hour, minute, second, fraction, timeZoneName } = this.#fields;
    const list = [];
    const add = (type, value, before) => {
      if (list.length > 0) list.push(literal(before));
      list.push({ type, value });
    };
    const whole = date.getUTCHours();
    if (hour) {
      const shown = this.#hours === "h12" ? whole % 12 || 12 : this.#hours === "h24" ? whole || 24 : whole;
      add("hour", hour === "2-digit" || this.#hours !== "h12" ? two(shown) : String(shown));
    }
    // Minutes and seconds stand alone only without the others.
    if (minute) add("minute", hour || second ? two(date.getUTCMinutes()) : String(date.getUTCMinutes()), ":");
    if (second) add("second", hour || minute ? two(date.getUTCSeconds()) : String(date.getUTCSeconds()), ":");
    if (fraction) add("fractionalSecond", String(date.getUTCMilliseconds()).padStart(3, "0").slice(0, fraction), ".");
    if (hour && this.#hours === "h12") add("dayPeriod", this.#style.half[whole < 12 ? 0 : 1], " ");
    if (timeZoneName) add("timeZoneName", timeZoneName === "long" ? "Coordinated Universal Time" : "UTC", list.length > 0 ? " " : "");
    return list;
  }

  resolvedOptions() {
    const { fraction, ...fields } = this.#fields;
    const told = { locale: this.#locale, calendar: "gregory", numberingSystem: "latn", timeZone: "UTC" };
    if (fields.hour) Object.assign(told, { hourCycle: this.#hours, hour12: this.#hours === "h12" });
    return fraction ? { ...told, ...fields, fractionalSecondDigits: fraction } : { ...told, ...fields };
  }

  static supportedLocalesOf = supportedLocalesOf;
  get [Symbol.toStringTag]() {
    return "Intl.DateTimeFormat";
  }
}

// ---------------------------------------------------------------- order

// In the order in which they come before digits and letters.
const MARKS = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";

/** What weighs first: what kind of character it is and which, without case and accents. */
function weight(character) {
  if (/\s/.test(character)) return 0;
  const mark = MARKS.indexOf(character);
  if (mark >= 0) return 1 + mark;
  if (/[0-9]/.test(character)) return 100 + Number(character);
  return 1_000 + character.codePointAt(0);
}

const LETTERS = { "\u00df": "ss", "\u00e6": "ae", "\u00c6": "AE", "\u0153": "oe", "\u0152": "OE", "\u00f8": "o\u0338", "\u00d8": "O\u0338" };

/** Letters and their accents, one after the other. */
const spread = (text) => text.normalize("NFD").replace(/[\u00df\u00e6\u00c6\u0153\u0152\u00f8\u00d8]/g, (letter) => LETTERS[letter]);

const bare = (text) => text.replace(/[\u0300-\u036f]/g, "");

function sign(left, right) {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** By weight; with `numeric`, runs of digits by what they amount to. */
function byWeight(left, right, numeric) {
  const split = (text) => (numeric ? text.match(/\d+|\D/gsu) : Array.from(text)) ?? [];
  const [one, other] = [split(left), split(right)];
  for (let index = 0; index < Math.min(one.length, other.length); index++) {
    const [a, b] = [one[index], other[index]];
    const numbers = numeric && /^\d/.test(a) && /^\d/.test(b);
    const order = numbers ? sign(BigInt(a), BigInt(b)) : sign(weight(a), weight(b));
    if (order !== 0) return order;
  }
  return sign(one.length, other.length);
}

function compare(left, right, { sensitivity, numeric, upperFirst }) {
  const [one, other] = [spread(left), spread(right)];
  const first = byWeight(bare(one).toLowerCase(), bare(other).toLowerCase(), numeric);
  if (first !== 0 || sensitivity === "base") return first;
  if (sensitivity !== "case") {
    const accents = (text) => text.replace(/[^\u0300-\u036f]/g, "\u0001");
    const second = sign(accents(one), accents(other));
    if (second !== 0) return second;
  }
  const [cased, otherCased] = [bare(one), bare(other)];
  for (let index = 0; index < Math.min(cased.length, otherCased.length) && sensitivity !== "accent"; index++) {
    const [a, b] = [cased[index], otherCased[index]];
    if (a !== b && a.toLowerCase() === b.toLowerCase()) return (a === a.toLowerCase() ? -1 : 1) * (upperFirst ? -1 : 1);
  }
  // Two letters come before the one that they are written as.
  return sensitivity === "case" ? 0 : sign(right.normalize("NFD").length, left.normalize("NFD").length);
}

class Collator {
  #locale;
  #settings;
  constructor(locales, given) {
    const options = asOptions(given);
    this.#locale = localeOf(locales);
    // Swedish has letters of its own behind z.
    if (this.#locale === "sv-SE") throw missing("The order of words in sv-SE");
    if (options.ignorePunctuation) throw missing("The option ignorePunctuation of Intl.Collator");
    this.#settings = {
      sensitivity: choice(options, "sensitivity", ["base", "accent", "case", "variant"], "variant"),
      numeric: Boolean(options.numeric),
      upperFirst: choice(options, "caseFirst", ["upper", "lower", "false"], "false") === "upper",
    };
    Object.defineProperty(this, "compare", { value: (left, right) => compare(String(left), String(right), this.#settings), configurable: true });
  }
  resolvedOptions() {
    const { sensitivity, numeric, upperFirst } = this.#settings;
    return { locale: this.#locale, usage: "sort", sensitivity, ignorePunctuation: false, collation: "default", numeric, caseFirst: upperFirst ? "upper" : "false" };
  }
  static supportedLocalesOf = supportedLocalesOf;
  get [Symbol.toStringTag]() {
    return "Intl.Collator";
  }
}

// ---------------------------------------------------------------- words, in English

function english(locales, of) {
  const locale = localeOf(locales);
  if (!locale.startsWith("en")) throw missing(`${of} for ${locale}`);
  return locale;
}

class PluralRules {
  #locale;
  #ordinal;
  constructor(locales, given) {
    this.#locale = english(locales, "Intl.PluralRules");
    this.#ordinal = choice(asOptions(given), "type", ["cardinal", "ordinal"], "cardinal") === "ordinal";
  }
  select(value) {
    const number = Math.abs(Number(value));
    if (!this.#ordinal) return number === 1 ? "one" : "other";
    const [tens, ones] = [number % 100, number % 10];
    if (tens >= 11 && tens <= 13) return "other";
    return { 1: "one", 2: "two", 3: "few" }[ones] ?? "other";
  }
  resolvedOptions() {
    return { locale: this.#locale, type: this.#ordinal ? "ordinal" : "cardinal", pluralCategories: this.#ordinal ? ["few", "one", "two", "other"] : ["one", "other"] };
  }
  static supportedLocalesOf = supportedLocalesOf;
}

class ListFormat {
  #word;
  constructor(locales, given) {
    english(locales, "Intl.ListFormat");
    const options = asOptions(given);
    if (choice(options, "style", ["long", "short", "narrow"], "long") !== "long") throw missing("This style of Intl.ListFormat");
    const type = choice(options, "type", ["conjunction", "disjunction", "unit"], "conjunction");
    if (type === "unit") throw missing("The type unit of Intl.ListFormat");
    this.#word = type === "disjunction" ? "or" : "and";
  }
  format(given) {
    const list = [...given];
    if (list.length < 2) return list.join("");
    if (list.length === 2) return `${list[0]} ${this.#word} ${list[1]}`;
    return `${list.slice(0, -1).join(", ")}, ${this.#word} ${list.at(-1)}`;
  }
  static supportedLocalesOf = supportedLocalesOf;
}

const UNITS = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];
const NEAR = { day: ["yesterday", "today", "tomorrow"], second: [undefined, "now", undefined] };

class RelativeTimeFormat {
  #auto;
  constructor(locales, given) {
    english(locales, "Intl.RelativeTimeFormat");
    const options = asOptions(given);
    if (choice(options, "style", ["long", "short", "narrow"], "long") !== "long") throw missing("This style of Intl.RelativeTimeFormat");
    this.#auto = choice(options, "numeric", ["always", "auto"], "always") === "auto";
  }
  format(value, given) {
    const number = Number(value);
    const unit = String(given).replace(/s$/, "");
    if (!UNITS.includes(unit)) throw new RangeError(`Invalid unit argument for format() '${given}'`);
    if (!Number.isFinite(number)) throw new RangeError("The value must be finite");
    const near = this.#auto && Number.isInteger(number) && Math.abs(number) <= 1 ? this.#near(number, unit) : undefined;
    if (near) return near;
    const size = Math.abs(number);
    const text = `${new NumberFormat().format(size)} ${unit}${size === 1 ? "" : "s"}`;
    return number < 0 || Object.is(number, -0) ? `${text} ago` : `in ${text}`;
  }
  #near(number, unit) {
    if (Object.hasOwn(NEAR, unit)) return NEAR[unit][number + 1];
    if (unit === "hour" || unit === "minute") return number === 0 ? `this ${unit}` : undefined;
    return `${["last", "this", "next"][number + 1]} ${unit}`;
  }
  static supportedLocalesOf = supportedLocalesOf;
}

// ---------------------------------------------------------------- what is offered

/** A class that may be called without `new`, as the built-in ones may. */
const callable = (Class) => new Proxy(Class, { apply: (target, self, parameters) => new target(...parameters) });

const Intl = {
  NumberFormat: callable(NumberFormat),
  DateTimeFormat: callable(DateTimeFormat),
  Collator: callable(Collator),
  PluralRules,
  ListFormat,
  RelativeTimeFormat,
  getCanonicalLocales: (asked) => (asked === undefined ? [] : [asked].flat().map((tag) => known(tag) ?? String(tag))),
};
Object.defineProperty(Intl, Symbol.toStringTag, { value: "Intl", configurable: true });

function lowered(locales, text, upper) {
  const tag = String([locales].flat()[0] ?? "en").toLowerCase();
  if (/^(tr|az|lt)\b/.test(tag)) throw missing(`The letter case of "${tag}"`);
  return upper ? text.toUpperCase() : text.toLowerCase();
}

Object.assign(exports, {
  Intl,
  number: (value, locales, options) => new NumberFormat(locales, options).format(value),
  date: (value, locales, options, usual) => (Number.isNaN(value.getTime()) ? "Invalid Date" : new DateTimeFormat(locales, options, usual).format(value)),
  compare: (left, right, locales, options) => new Collator(locales, options).compare(left, right),
  lowered,
});
